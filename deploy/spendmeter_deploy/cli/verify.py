"""The words of `spendmeter verify`: its window, its progress, its tables, and an exit code that tells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from spendmeter_clickhouse import StoreSettings
from spendmeter_deploy.cli.brokers import named_broker, stream_or_none
from spendmeter_deploy.cli.offline_store import embedded_folder, offline_store
from spendmeter_deploy.cli.running import refuse, run
from spendmeter_deploy.cli.verify_tables import show
from spendmeter_stream.dlq import count_dead_letters
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.verify import Days, Report, Surroundings, verify
from spendmeter_stream.verify.run import Progress as Told

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="The folder of an embedded stack that is stopped.")]
Bootstrap = Annotated[str | None, typer.Option(help="HOST:PORT of the broker; else SPENDMETER_BOOTSTRAP.")]
HoldSeconds = Annotated[int, typer.Option(help="The most that workers wait, even if this process dies.", min=2)]


def verify_command(
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="The first UTC day; else the first there is."),
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="The last UTC day; else the last there is.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    hold: Annotated[
        bool, typer.Option("--hold/--no-hold", help="Let workers wait while a difference is looked at a second time.")
    ] = True,
    barrier_seconds: HoldSeconds = 60,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Compare every rollup with raw events; exits 1 on any difference, 2 where it cannot look."""
    days = Days(first.date() if first else Days().first, last.date() if last else Days().last)
    if days.first > days.last:
        raise refuse("--from is after --to")
    broker = named_broker(bootstrap) if embedded_folder(data_dir) is None else None
    report = run(check(days, broker=broker, data_dir=data_dir, hold=hold, barrier_seconds=barrier_seconds))
    if as_json:
        typer.echo(json.dumps(report.as_json(), default=str, indent=2))
    else:
        show(report)
    raise typer.Exit(0 if report.clean else 1)


async def check(
    days: Days, *, broker: StreamSettings | None, data_dir: Path | None, hold: bool, barrier_seconds: int
) -> Report:
    """Open what is needed and verify.

    :raises StartError: the store or the broker cannot be used.
    """
    alone = embedded_folder(data_dir) is not None or StoreSettings().embedded
    async with stream_or_none(broker) as stream, offline_store(data_dir) as store:
        around = Surroundings(
            stream=stream,
            moving=not alone,
            may_hold=hold,
            barrier_seconds=barrier_seconds,
            dead_letters=partial(count_dead_letters, broker) if broker else None,
        )
        with store.session("verify") as session, progress("compare", "days") as told:
            return await verify(session, days, around=around, progress=told)


@contextmanager
def progress(verb: str, of_what: str) -> Iterator[Told]:
    """A bar on the error stream that is told what is done, and of how much."""
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(of_what))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(verb, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
