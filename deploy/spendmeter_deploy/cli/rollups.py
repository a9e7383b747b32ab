"""`spendmeter rollups`: rebuild rollups, and record from which day on raw events are complete."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from spendmeter_clickhouse import StoreSettings
from spendmeter_clickhouse.watermark import EVERYTHING, raw_kept_from, set_raw_kept_from
from spendmeter_deploy.cli.brokers import named_broker, stream_or_none
from spendmeter_deploy.cli.offline_store import embedded_folder, offline_store
from spendmeter_deploy.cli.running import refuse, run
from spendmeter_deploy.cli.terminal.option_values import supported_day
from spendmeter_deploy.cli.verify import BarrierSeconds, Bootstrap, DataDir, check, progress
from spendmeter_deploy.cli.verify_tables import show
from spendmeter_deploy.errors import StartError
from spendmeter_stream.maintenance.rebuild import Rebuilt, rebuild
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.verify import Days

app = typer.Typer(help="Rebuild rollups from raw events.", no_args_is_help=True)


@app.command("rebuild")
def rebuild_(
    month: Annotated[datetime, typer.Option(formats=["%Y-%m"], help="UTC month, YYYY-MM.", callback=supported_day)],
    barrier_seconds: BarrierSeconds = 60,
    no_ingest: Annotated[
        bool, typer.Option("--no-ingest", help="Skip the ingest barrier. No worker may run until this command ends.")
    ] = False,
    shrink: Annotated[
        bool, typer.Option("--shrink", help="Allow days whose raw events have fewer calls than the rollups.")
    ] = False,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Rebuild a month of every rollup from raw events during ingestion, then verify it."""
    day = month.date()
    alone = embedded_folder(data_dir) is not None or StoreSettings().embedded
    broker = None if alone or no_ingest else named_broker(bootstrap)
    done = run(_rebuild(day, broker, data_dir, barrier_seconds, alone=alone or no_ingest, shrink=shrink))
    paused = f"; workers paused for up to {done.paused_seconds:.1f} s" if broker else ""
    typer.echo(f"{day:%Y-%m}: five rollups rebuilt from {done.events:,} raw events{paused}")
    days = Days(day, _last_day_of(day))
    report = run(check(days, broker=broker, data_dir=data_dir, barrier=True, barrier_seconds=barrier_seconds))
    show(report)
    raise typer.Exit(0 if report.clean else 1)


async def _rebuild(
    month: date,
    broker: StreamSettings | None,
    data_dir: Path | None,
    barrier_seconds: int,
    *,
    alone: bool,
    shrink: bool,
) -> Rebuilt:
    if broker is None and not alone:
        raise StartError(
            "a rebuild needs Kafka for its ingest barrier: set SPENDMETER_BOOTSTRAP or --bootstrap,"
            " or use --no-ingest if no worker runs"
        )
    async with stream_or_none(broker) as stream, offline_store(data_dir) as store:
        with store.session("rebuild") as session, progress("rebuild", "events") as advance:
            return await rebuild(
                session, month, stream=stream, barrier_seconds=barrier_seconds, shrink=shrink, progress=advance
            )


@app.command("watermark")
def watermark(
    raw_from: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="First UTC day with complete raw events. Set it before deleting older ones.",
            callback=supported_day,
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Show or set the first UTC day whose raw events are complete."""
    day = raw_from.date() if raw_from else None
    if day is not None and day > datetime.now(UTC).date():
        raise refuse(f"--raw-from {day} is in the future; choose today or an earlier day")
    kept = run(_watermark(day, data_dir))
    typer.echo("raw events are complete" if kept == EVERYTHING else f"raw events are complete from {kept} (UTC)")


async def _watermark(day: date | None, data_dir: Path | None) -> date:
    async with offline_store(data_dir) as store:
        with store.session("watermark") as session:
            if day is not None:
                await set_raw_kept_from(session, day)
            return await raw_kept_from(session)


def _last_day_of(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
