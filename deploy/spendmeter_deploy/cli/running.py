"""Runs a command's coroutine: signals, logs, and one clear line for what went wrong."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import typer
from pydantic import ValidationError

from spendmeter_clickhouse import StoreError
from spendmeter_deploy.ending import UNDONE, Ending, new_ending
from spendmeter_deploy.environment import check, describe_faults
from spendmeter_deploy.errors import StartError
from spendmeter_events.errors import SpendmeterError
from spendmeter_stream.errors import StreamError
from spendmeter_stream.pricing import PriceBookError
from spendmeter_stream.settings import StreamSettings

T = TypeVar("T")

RUNS_ON = frozenset({"collect", "demo", "serve", "up", "worker"})
"""Commands that run until they are stopped."""
EXPECTED = (StartError, StoreError, StreamError, SpendmeterError, PriceBookError)
ROOMS = ("spendmeter_events", "spendmeter_clickhouse", "spendmeter_stream", "spendmeter_rollups", "spendmeter_deploy")
DRIVERS = ("urllib3.connectionpool", "clickhouse_connect")
"""They log each failed attempt at length; what we log says it in one line."""


def run(work: Coroutine[Any, Any, T], *, serves: bool = False) -> T:
    """Run `work` to its end. Expected errors become one line and exit code 2; docs/stopping.md has the other codes.

    :param serves: `work` has no end of its own, so that SIGINT and SIGTERM are its success.
    """
    ending = new_ending(seconds=_stop_seconds(), serves=serves)
    try:
        result = asyncio.run(_stopped_by_signals(work, ending))
    except EXPECTED as error:
        raise refuse(str(error)) from error
    except ValidationError as error:
        raise refuse(f"a setting is invalid: {'; '.join(describe_faults(error))}") from error
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        raise typer.Exit(ending.exit_code) from error
    finally:
        ending.ended()
    if ending.undone:
        raise typer.Exit(UNDONE)
    return result


def refuse(message: str) -> typer.Exit:
    """Say in one line why the command cannot go on; `raise refuse(...)` exits with code 2."""
    typer.echo(f"spendmeter: {message}", err=True)
    return typer.Exit(2)


def check_environment(command: str | None) -> None:
    """Exit with code 2 for an invalid setting, and in a process that runs on for a variable nothing reads.

    A command that ends by itself only warns about the variable, on the error stream.
    """
    if "--help" in sys.argv:
        return
    unknown, invalid = check(os.environ, dotenv=Path(".env"))
    if invalid:
        raise refuse("; ".join(filter(None, (invalid, unknown))))
    if unknown and command in RUNS_ON:
        raise refuse(unknown)
    if unknown:
        typer.echo(f"spendmeter: {unknown}", err=True)


def configure_logs(*, verbose: bool) -> None:
    """Warnings and errors, on the error stream; with `verbose` what our own rooms do, too."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for room in ROOMS:
        logging.getLogger(room).setLevel(logging.DEBUG if verbose else logging.WARNING)
    for driver in DRIVERS:
        logging.getLogger(driver).setLevel(logging.WARNING if verbose else logging.ERROR)


def log_as_json() -> None:
    """One JSON object a line from now on, a line for each request among them: for processes that serve."""
    # Not at the top: every verb imports this module, and few need the query service.
    from spendmeter_rollups.http.logs import JsonFormatter

    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter())
    logging.getLogger("spendmeter.http").setLevel(logging.INFO)
    for room in ROOMS:
        # What a process that serves does is worth a line each: version, partitions, readiness.
        logging.getLogger(room).setLevel(min(logging.INFO, logging.getLogger(room).level or logging.INFO))


async def _stopped_by_signals(work: Coroutine[Any, Any, T], ending: Ending) -> T:
    with ending.on_signals():
        try:
            return await work
        finally:
            # What asyncio itself cleans up may hang as well.
            ending.begin()


def _stop_seconds() -> float:
    try:
        return StreamSettings().stop_timeout_seconds
    except ValidationError:
        return float(StreamSettings.model_fields["stop_timeout_seconds"].default)
