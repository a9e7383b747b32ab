"""Run a command's coroutine: signals, logging, exit codes and one-line errors.

Our other packages are imported inside functions, so that `--help` does not load them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import typer

from spendmeter_deploy.ending import UNFINISHED, Ending, new_ending
from spendmeter_deploy.errors import StartError

T = TypeVar("T")

SERVICES = frozenset({"collect", "demo", "serve", "up", "worker"})
"""Commands that run until they are stopped."""
WORKERS = frozenset({"demo", "up", "worker"})
"""Commands that run a worker, which loads the price book and the guard's thresholds."""
PACKAGES = (
    "spendmeter_events",
    "spendmeter_clickhouse",
    "spendmeter_stream",
    "spendmeter_rollups",
    "spendmeter_deploy",
)
DRIVERS = ("urllib3.connectionpool", "clickhouse_connect")
"""Loggers that report each failed attempt in detail; we log it in one line."""


def run(work: Coroutine[Any, Any, T], *, serves: bool = False) -> T:
    """Run `work`. Expected errors print one line and exit with code 2; docs/stopping.md lists the other codes.

    :param serves: `work` runs until it is stopped, so SIGINT and SIGTERM are its normal end.
    """
    from pydantic import ValidationError

    from spendmeter_deploy.environment import describe_faults

    ending = new_ending(seconds=_stop_seconds(), serves=serves)
    try:
        result = asyncio.run(_stopped_by_signals(work, ending))
    except expected_errors() as error:
        raise refuse(str(error)) from error
    except ValidationError as error:
        raise refuse(f"invalid setting: {'; '.join(describe_faults(error))}") from error
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        raise typer.Exit(ending.exit_code) from error
    finally:
        ending.stop_clock()
    if ending.unfinished:
        raise typer.Exit(UNFINISHED)
    return result


def expected_errors() -> tuple[type[Exception], ...]:
    """Return the errors that end a command with one line."""
    from spendmeter_clickhouse import StoreError
    from spendmeter_events.errors import SpendmeterError
    from spendmeter_stream.errors import StreamError
    from spendmeter_stream.pricing import PriceBookError

    return (StartError, StoreError, StreamError, SpendmeterError, PriceBookError)


def refuse(message: str) -> typer.Exit:
    """Print a one-line error to stderr; `raise refuse(...)` exits with code 2."""
    typer.echo(f"spendmeter: {'; '.join(message.splitlines())}", err=True)
    return typer.Exit(2)


def check_environment(command: str | None) -> None:
    """Exit with code 2 on an invalid setting and, in a long-running command, on an unknown variable.

    Other commands only warn about an unknown variable on stderr.
    """
    if "--help" in sys.argv or command == "doctor":
        return
    from spendmeter_deploy.environment import check

    unknown, invalid = check(os.environ, dotenv=Path(".env"), files=command in WORKERS)
    if invalid:
        raise refuse("; ".join(filter(None, (invalid, unknown))))
    if unknown and command in SERVICES:
        raise refuse(unknown)
    if unknown:
        typer.echo(f"spendmeter: {unknown}", err=True)


def configure_logs(*, verbose: bool) -> None:
    """Log warnings and errors to stderr; with `verbose` also the debug messages of our own packages."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for package in PACKAGES:
        logging.getLogger(package).setLevel(logging.DEBUG if verbose else logging.WARNING)
    for driver in DRIVERS:
        logging.getLogger(driver).setLevel(logging.WARNING if verbose else logging.ERROR)


def log_as_json() -> None:
    """Log JSON lines, requests included; for long-running commands."""
    # Imported here because few commands need the query service.
    from spendmeter_rollups.http.logs import JsonFormatter

    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter())
    logging.getLogger("spendmeter.http").setLevel(logging.INFO)
    for package in PACKAGES:
        # Log version, partitions and readiness.
        logging.getLogger(package).setLevel(min(logging.INFO, logging.getLogger(package).level or logging.INFO))


async def _stopped_by_signals(work: Coroutine[Any, Any, T], ending: Ending) -> T:
    with ending.on_signals():
        try:
            return await work
        finally:
            # asyncio's own clean-up may hang too.
            ending.begin()


def _stop_seconds() -> float:
    from pydantic import ValidationError

    from spendmeter_stream.settings import StreamSettings

    try:
        return StreamSettings().stop_timeout_seconds
    except ValidationError:
        return float(StreamSettings.model_fields["stop_timeout_seconds"].default)
