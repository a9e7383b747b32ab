"""Runs a command's coroutine: signals, logs, and one clear line for what went wrong."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import typer
from pydantic import ValidationError

from spendmeter_clickhouse import StoreError
from spendmeter_deploy.environment import check, describe_faults
from spendmeter_deploy.errors import StartError
from spendmeter_events.errors import SpendmeterError
from spendmeter_stream.errors import StreamError
from spendmeter_stream.pricing import PriceBookError

T = TypeVar("T")

RUNS_ON = frozenset({"collect", "demo", "serve", "up", "worker"})
"""Commands that run until they are stopped."""
EXPECTED = (StartError, StoreError, StreamError, SpendmeterError, PriceBookError)
ROOMS = ("spendmeter_events", "spendmeter_clickhouse", "spendmeter_stream", "spendmeter_rollups", "spendmeter_deploy")
DRIVERS = ("urllib3.connectionpool", "clickhouse_connect")
"""They log each failed attempt at length; what we log says it in one line."""


def run(work: Coroutine[Any, Any, T], *, serves: bool = False) -> T:
    """Run `work` to its end; SIGTERM cancels it like Ctrl-C. Expected errors become one line and exit code 2.

    :param serves: `work` has no end of its own, so that SIGTERM is its success: exit code 0.
    """
    signals: list[int] = []
    try:
        return asyncio.run(_cancelled_by_sigterm(work, signals))
    except EXPECTED as error:
        raise refuse(str(error)) from error
    except ValidationError as error:
        raise refuse(f"a setting is invalid: {'; '.join(describe_faults(error))}") from error
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        raise typer.Exit(0 if serves and signals else 130) from error


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
    from spendmeter_rollups.logs import JsonFormatter

    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter())
    logging.getLogger("spendmeter.http").setLevel(logging.INFO)
    for room in ROOMS:
        # What a process that serves does is worth a line each: version, partitions, readiness.
        logging.getLogger(room).setLevel(min(logging.INFO, logging.getLogger(room).level or logging.INFO))


async def _cancelled_by_sigterm(work: Coroutine[Any, Any, T], signals: list[int]) -> T:
    task = asyncio.current_task()

    def stop() -> None:
        signals.append(signal.SIGTERM)
        if task is not None:
            task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    return await work
