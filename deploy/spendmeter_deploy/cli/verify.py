"""`spendmeter verify`: options, progress bar and exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from spendmeter_clickhouse import StoreSettings
from spendmeter_deploy.cli.brokers import named_broker, stream_or_none
from spendmeter_deploy.cli.offline_store import embedded_folder, offline_store
from spendmeter_deploy.cli.running import refuse, run
from spendmeter_deploy.cli.terminal.console import progress_bars
from spendmeter_deploy.cli.terminal.option_values import supported_day
from spendmeter_deploy.cli.verify_tables import show
from spendmeter_stream.dlq import count_dead_letters
from spendmeter_stream.maintenance.drop_doubles import drop_doubles
from spendmeter_stream.maintenance.rebuild import rebuild
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.verify import Days, Report, Surroundings, verify
from spendmeter_stream.verify.run import Progress as OnProgress

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Data folder of a stopped embedded stack.")]
Bootstrap = Annotated[
    str | None, typer.Option(help="Kafka brokers, HOST:PORT, comma separated. Default: SPENDMETER_BOOTSTRAP.")
]
BarrierSeconds = Annotated[
    int, typer.Option(help="Maximum time that workers are paused, even if this command is killed.", min=2, max=3600)
]


def verify_command(
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%d"],
            help="First UTC day. Default: the first stored day.",
            callback=supported_day,
        ),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option(
            "--to", formats=["%Y-%m-%d"], help="Last UTC day. Default: the last stored day.", callback=supported_day
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    barrier: Annotated[
        bool,
        typer.Option("--barrier/--no-barrier", help="Pause workers while differing days are compared again."),
    ] = True,
    barrier_seconds: BarrierSeconds = 60,
    drop_suspected: Annotated[
        bool,
        typer.Option(
            "--drop-suspected",
            help="First remove the calls that repeat request id and usage of another call, and were stored more than an"
            " hour ago. They are not restored.",
        ),
    ] = False,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Compare every rollup with the raw events. Exits with 1 on a difference, 2 if it cannot compare."""
    days = Days(first.date() if first else Days().first, last.date() if last else Days().last)
    if days.first > days.last:
        raise refuse("--from is after --to")
    broker = named_broker(bootstrap) if embedded_folder(data_dir) is None else None
    if drop_suspected:
        _drop_first(days, data_dir)
    report = run(check(days, broker=broker, data_dir=data_dir, barrier=barrier, barrier_seconds=barrier_seconds))
    if days != Days() and not report.days:
        raise refuse(f"nothing to compare: {_why_nothing(report)}; choose other days, or omit --from and --to")
    if as_json:
        typer.echo(json.dumps(report.as_json(), default=str, indent=2))
    else:
        show(report)
    raise typer.Exit(0 if report.clean else 1)


async def check(
    days: Days, *, broker: StreamSettings | None, data_dir: Path | None, barrier: bool, barrier_seconds: int
) -> Report:
    """Connect to store and broker, and compare.

    :raises StartError: the store or the broker cannot be reached.
    """
    alone = _is_alone(data_dir)
    async with stream_or_none(broker) as stream, offline_store(data_dir) as store:
        around = Surroundings(
            stream=stream,
            moving=not alone,
            use_barrier=barrier,
            barrier_seconds=barrier_seconds,
            dead_letters=partial(count_dead_letters, broker) if broker else None,
        )
        with store.session("verify") as session, progress("compare", "days") as advance:
            return await verify(session, days, around=around, progress=advance)


def _drop_first(days: Days, data_dir: Path | None) -> None:
    """Remove suspected double reports. Exit here if running workers rebuild the rollups."""
    removed = run(_drop(days, data_dir))
    typer.echo(f"{removed:,} suspected double reports removed, and recorded in ingest_surplus", err=True)
    typer.echo("calls without a request id, or stored in the last hour, are not removed", err=True)
    if removed and not _is_alone(data_dir):
        typer.echo("the leading worker rebuilds the rollups of their months; verify again in a minute", err=True)
        raise typer.Exit(0)


async def _drop(days: Days, data_dir: Path | None) -> int:
    async with offline_store(data_dir) as store:
        with store.session("drop") as session:
            removed, changed = await drop_doubles(session, days)
            if _is_alone(data_dir):
                for month in sorted({day.replace(day=1) for day in changed}):
                    await rebuild(session, month, stream=None, suspects=changed)
            return removed


def _is_alone(data_dir: Path | None) -> bool:
    """Return whether no worker can use the store during the command."""
    return embedded_folder(data_dir) is not None or StoreSettings().embedded


def _why_nothing(report: Report) -> str:
    if report.uncompared:
        return f"the raw events of these days, before {report.raw_kept_from}, were deleted"
    return "no rows are stored in these days"


@contextmanager
def progress(verb: str, unit: str) -> Iterator[OnProgress]:
    """Show a progress bar on stderr; yield the function that updates it with (done, total)."""
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    with progress_bars(*columns, transient=True) as bar:
        task = bar.add_task(verb, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
