"""`spendmeter import`: publish the rows of a CSV or JSON lines file as usage events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from spendmeter_deploy.cli.brokers import require_broker
from spendmeter_deploy.cli.running import refuse, run
from spendmeter_deploy.cli.terminal.console import progress_bars
from spendmeter_deploy.embedded.folder import DataFolder
from spendmeter_deploy.errors import StartError
from spendmeter_deploy.settings import StackSettings
from spendmeter_events import UsageProducer
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.importers import (
    EventMapping,
    Imported,
    InvalidMapping,
    Preset,
    RejectedRow,
    SkippedRow,
    UnreadableFile,
    events,
    read_rows,
)
from spendmeter_stream.settings import KafkaSettings

_MAX_REJECTIONS_SHOWN = 20


def import_command(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines file, plain or gzip.", exists=True, dir_okay=False)],
    column: Annotated[
        list[str] | None, typer.Option(help="Column of an event field, as field=Column; repeatable.")
    ] = None,
    org: Annotated[str | None, typer.Option(help="org_id of every row.")] = None,
    provider: Annotated[str | None, typer.Option(help="Provider of every row.")] = None,
    model: Annotated[str | None, typer.Option(help="Model of every row.")] = None,
    feature: Annotated[str | None, typer.Option(help="Feature of every row.")] = None,
    constant: Annotated[
        list[str] | None, typer.Option(help="Value of an event field in every row, as field=value; repeatable.")
    ] = None,
    id_from: Annotated[
        str | None,
        typer.Option("--id-from", metavar="COLUMN", help="Column that identifies a call, such as a request id."),
    ] = None,
    format_: Annotated[
        Preset | None,
        typer.Option("--format", help="Export of another tool, whose columns need no --column (docs/importing.md)."),
    ] = None,
    input_includes_cache: Annotated[
        bool | None,
        typer.Option(
            "--input-includes-cache/--input-excludes-cache",
            help="Whether the input tokens of the file include the cached ones, which are then subtracted.",
        ),
    ] = None,
    timezone: Annotated[str, typer.Option(help="Time zone of times without an offset.")] = "UTC",
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Data folder of a running embedded stack.")
    ] = None,
    bootstrap: Annotated[
        str | None,
        typer.Option(help="Kafka brokers, HOST:PORT. Default: SPENDMETER_BOOTSTRAP, else the running stack."),
    ] = None,
) -> None:
    """Import past calls from a file. Importing the same calls again adds nothing."""
    given = {"org_id": org, "provider": provider, "model": model, "feature": feature}
    constants: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    constants.update(_pairs("--constant", constant))
    mapping = EventMapping(
        columns=_pairs("--column", column),
        constants=constants,
        id_from=id_from,
        preset=format_,
        input_includes_cache=input_includes_cache,
    )
    with _progress() as bar:
        task = bar.add_task("import", total=file.stat().st_size, events=0, rate=0.0)
        report = run(_import(file, mapping, timezone, data_dir, bootstrap, bar, task))
    _show(report)


async def _import(
    file: Path,
    mapping: EventMapping,
    timezone: str,
    data_dir: Path | None,
    bootstrap: str | None,
    bar: Progress,
    task: TaskID,
) -> ImportReport:
    def progress(position: int, sent: int) -> None:
        elapsed = bar.tasks[task].elapsed or 1e-9
        bar.update(task, completed=position, events=sent, rate=sent / elapsed)

    connection = _connection(data_dir, bootstrap)
    return await import_file(file, mapping, connection=connection, timezone=timezone, progress=progress)


def _connection(data_dir: Path | None, bootstrap: str | None) -> KafkaConnection:
    if bootstrap is not None:
        return KafkaSettings(bootstrap=bootstrap).connection()
    settings = KafkaSettings()
    if data_dir is None and "bootstrap" in settings.model_fields_set:
        return settings.connection()
    folder = DataFolder(data_dir or StackSettings().data_dir)
    return KafkaConnection(bootstrap_servers=folder.running_stack().bootstrap)


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in given or [])
    if any(not name or not value for name, value in pairs.items()):
        raise refuse(f"{option} expects field=value, for example {option} occurred_at=TIMESTAMP")
    return pairs


def _progress() -> Progress:
    return progress_bars(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[events]:,} events  {task.fields[rate]:,.0f}/s  left"),
        TimeRemainingColumn(),
    )


def _show(report: ImportReport) -> None:
    skipped = f", {report.skipped:,} skipped, because they are not calls of a provider" if report.skipped else ""
    typer.echo(f"{report.sent:,} events published, {_lines(report.rejected)} rejected{skipped}")
    for rejection in report.first_rejections:
        typer.echo(f"  line {rejection.line}: {rejection.reason}", err=True)
    if report.rejected > len(report.first_rejections):
        typer.echo(f"  and {report.rejected - len(report.first_rejections):,} more", err=True)
    if report.rejected:
        raise typer.Exit(1)


def _lines(count: int) -> str:
    return f"{count:,} {'line' if count == 1 else 'lines'}"


@dataclass(slots=True)
class ImportReport:
    """Counts of published events, and of rejected and skipped rows."""

    sent: int = 0
    rejected: int = 0
    skipped: int = 0
    first_rejections: list[RejectedRow] = field(default_factory=list)
    """The first rejected lines, with line number and reason."""

    def reject(self, rejection: RejectedRow) -> None:
        """Count a rejected line, and keep it if it is among the first."""
        self.rejected += 1
        if len(self.first_rejections) < _MAX_REJECTIONS_SHOWN:
            self.first_rejections.append(rejection)


async def import_file(
    file: Path,
    mapping: EventMapping,
    *,
    connection: KafkaConnection,
    timezone: str,
    progress: Callable[[int, int], None],
) -> ImportReport:
    """Publish every row of `file`. Event ids derive from the rows, so a second import adds nothing.

    :param progress: called with the bytes read and the events sent.
    :raises StartError: no broker answers, or the file or the mapping is invalid.
    """
    report = ImportReport()
    await require_broker(connection)
    try:
        rows = read_rows(file)
        stream: Iterator[Imported | RejectedRow | SkippedRow] = events(rows, mapping, timezone=timezone)
        async with UsageProducer(connection=connection) as producer:
            for item in stream:
                if isinstance(item, RejectedRow):
                    report.reject(item)
                elif isinstance(item, SkippedRow):
                    report.skipped += 1
                else:
                    await producer.put(item.event)
                    report.sent += 1
                if (report.sent + report.rejected + report.skipped) % 1000 == 0:
                    progress(rows.position(), report.sent)
                    await asyncio.sleep(0)
            await producer.flush()
        progress(rows.total_bytes, report.sent)
    except (OSError, InvalidMapping, UnreadableFile) as error:
        raise StartError(f"{file}: {error}") from error
    return report
