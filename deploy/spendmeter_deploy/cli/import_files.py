"""The words of `spendmeter replay`: its options, its progress bar and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from spendmeter_deploy.cli.file_import import ReplayReport, replay
from spendmeter_deploy.cli.running import refuse, run
from spendmeter_deploy.embedded.folder import DataFolder
from spendmeter_deploy.settings import StackSettings
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.importers import EventMapping
from spendmeter_stream.settings import KafkaSettings


def replay_command(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines, plain or gzip.", exists=True, dir_okay=False)],
    column: Annotated[list[str] | None, typer.Option(help="field=Column of the file; repeat for each field.")] = None,
    org: Annotated[str | None, typer.Option(help="Every row's org_id.")] = None,
    provider: Annotated[str | None, typer.Option(help="Every row's provider.")] = None,
    model: Annotated[str | None, typer.Option(help="Every row's model.")] = None,
    feature: Annotated[str | None, typer.Option(help="Every row's feature.")] = None,
    constant: Annotated[list[str] | None, typer.Option(help="field=value for every row; repeat.")] = None,
    id_from: Annotated[
        str | None, typer.Option("--id-from", metavar="COLUMN", help="The column that identifies each call.")
    ] = None,
    timezone: Annotated[str, typer.Option(help="The zone of times without offset.")] = "UTC",
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Find the stack that runs on it.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="HOST:PORT of a broker instead.")] = None,
) -> None:
    """Publish a file of past calls; what was published before, from this file or another, adds nothing."""
    given = {"org_id": org, "provider": provider, "model": model, "feature": feature}
    constants: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    constants.update(_pairs("--constant", constant))
    mapping = EventMapping(columns=_pairs("--column", column), constants=constants, id_from=id_from)
    with _progress() as bar:
        task = bar.add_task("replay", total=file.stat().st_size, events=0, rate=0.0)
        report = run(_replay(file, mapping, timezone, data_dir, bootstrap, bar, task))
    _show(report)


async def _replay(
    file: Path,
    mapping: EventMapping,
    timezone: str,
    data_dir: Path | None,
    bootstrap: str | None,
    bar: Progress,
    task: TaskID,
) -> ReplayReport:
    def progress(position: int, sent: int) -> None:
        elapsed = bar.tasks[task].elapsed or 1e-9
        bar.update(task, completed=position, events=sent, rate=sent / elapsed)

    connection = _connection(data_dir, bootstrap)
    return await replay(file, mapping, connection=connection, timezone=timezone, progress=progress)


def _connection(data_dir: Path | None, bootstrap: str | None) -> KafkaConnection:
    if bootstrap is not None:
        return KafkaSettings(bootstrap=bootstrap).connection()
    settings = KafkaSettings()
    if data_dir is None and "bootstrap" in settings.model_fields_set:
        return settings.connection()
    folder = DataFolder(data_dir or StackSettings().data_dir)
    return KafkaConnection(bootstrap_servers=folder.whereabouts().bootstrap)


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in given or [])
    if any(not name or not value for name, value in pairs.items()):
        raise refuse(f"{option} takes field=value, such as {option} occurred_at=TIMESTAMP")
    return pairs


def _progress() -> Progress:
    return Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[events]:,} events  {task.fields[rate]:,.0f}/s  left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _show(report: ReplayReport) -> None:
    typer.echo(f"{report.sent:,} events published, {report.rejected:,} lines rejected")
    for rejection in report.first_rejections:
        typer.echo(f"  line {rejection.line}: {rejection.reason}", err=True)
    if report.rejected > len(report.first_rejections):
        typer.echo(f"  and {report.rejected - len(report.first_rejections):,} more", err=True)
    if report.rejected:
        raise typer.Exit(1)
