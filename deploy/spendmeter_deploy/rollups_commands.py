"""`spendmeter rollups`: repair what is derived from raw events."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from spendmeter_clickhouse import StoreSettings
from spendmeter_deploy.brokers import named_broker, stream_or_none
from spendmeter_deploy.errors import StartError
from spendmeter_deploy.offline_store import embedded_folder, offline_store
from spendmeter_deploy.running import run
from spendmeter_deploy.verify_commands import Bootstrap, DataDir, HoldSeconds, check, progress
from spendmeter_deploy.verify_tables import show
from spendmeter_stream.rebuild import Rebuilt, rebuild
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.verify import Days

app = typer.Typer(help="Repair rollups from raw events.", no_args_is_help=True)


@app.callback()
def rollups() -> None:
    """Keep `rebuild` a word of its own: one command alone would take its place."""


@app.command("rebuild")
def rebuild_(
    month: Annotated[datetime, typer.Option(formats=["%Y-%m"], help="Which month, in UTC: YYYY-MM.")],
    hold_seconds: HoldSeconds = 60,
    no_ingest: Annotated[
        bool, typer.Option("--no-ingest", help="No worker runs, and none will before this is done.")
    ] = False,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Make a month of every rollup anew from raw events, while ingest goes on; then verify it."""
    day = month.date()
    alone = embedded_folder(data_dir) is not None or StoreSettings().embedded
    broker = None if alone or no_ingest else named_broker(bootstrap)
    done = run(_rebuild(day, broker, data_dir, hold_seconds, alone=alone or no_ingest))
    held = f"; workers waited {done.held_seconds:.1f} s at most" if broker else ""
    typer.echo(f"{day:%Y-%m}: five rollups made anew from {done.events:,} raw events{held}")
    days = Days(day, _last_of(day))
    report = run(check(days, broker=broker, data_dir=data_dir, hold=True, hold_seconds=hold_seconds))
    show(report)
    raise typer.Exit(0 if report.clean else 1)


async def _rebuild(
    month: date, broker: StreamSettings | None, data_dir: Path | None, hold_seconds: int, *, alone: bool
) -> Rebuilt:
    if broker is None and not alone:
        raise StartError(
            "name the broker (SPENDMETER_BOOTSTRAP or --bootstrap), so that ingest can be held for a moment;"
            " or say --no-ingest if no worker runs"
        )
    async with stream_or_none(broker) as stream, offline_store(data_dir) as store:
        with store.session("rebuild") as session, progress("rebuild", "events") as told:
            return await rebuild(session, month, stream=stream, hold_seconds=hold_seconds, progress=told)


def _last_of(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
