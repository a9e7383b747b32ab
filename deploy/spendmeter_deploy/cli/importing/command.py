"""`spendmeter import`: publish the rows of CSV or JSON lines files as usage events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from spendmeter_deploy.cli.importing.import_report import ImportReport, show
from spendmeter_deploy.cli.importing.preview import preview_files
from spendmeter_deploy.cli.importing.publishing import import_files
from spendmeter_deploy.cli.running import refuse, run
from spendmeter_deploy.cli.terminal.console import progress_bars
from spendmeter_deploy.embedded.folder import DataFolder
from spendmeter_deploy.settings import StackSettings
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.importers import EventMapping, Preset
from spendmeter_stream.settings import KafkaSettings

_STDIN: Final = Path("-")


def import_command(
    file: Annotated[list[Path], typer.Argument(help="CSV or JSON lines files, plain, gzip or zip; - is stdin.")],
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of an event field, as field=Column, field=a.b (path into JSON) or field=a-b; repeatable."
        ),
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
    delimiter: Annotated[
        str | None, typer.Option(help=r"Character between the cells of CSV, such as ; or \t. Default: a comma.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the first events with their cost; nothing is sent.")
    ] = False,
    where: Annotated[
        list[str] | None, typer.Option(help="Import only rows with this value, as Column=value; repeatable.")
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(help="Replace a value of an event field, as field:cell=value (status:failed=error); repeatable."),
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
    """Import past calls from files. Importing the same calls again adds nothing."""
    _check_files(file)
    given = {"org_id": org, "provider": provider, "model": model, "feature": feature}
    constants: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    constants.update(_pairs("--constant", constant))
    mapping = EventMapping(
        columns=_pairs("--column", column),
        constants=constants,
        id_from=id_from,
        preset=format_,
        input_includes_cache=input_includes_cache,
        where=_pairs("--where", where, "status=200"),
        values=_values(value),
    )
    separator = "\t" if delimiter == r"\t" else delimiter
    if dry_run:
        report = run(preview_files(file, mapping, timezone=timezone, delimiter=separator))
    else:
        report = _publish(file, mapping, timezone, separator, _Target(data_dir, bootstrap))
    show(report, published=not dry_run)


def _check_files(files: Sequence[Path]) -> None:
    for file in files:
        if file != _STDIN and not file.exists():
            raise refuse(f"{file}: no such file")
        if file.is_dir():
            raise refuse(f"{file}: a folder; name its files")


class _Target(NamedTuple):
    data_dir: Path | None
    bootstrap: str | None


def _publish(
    files: Sequence[Path], mapping: EventMapping, timezone: str, delimiter: str | None, target: _Target
) -> ImportReport:
    with _progress() as bar:
        task = bar.add_task("import", total=_size(files), events=0, rate=0.0)

        def progress(position: int, sent: int) -> None:
            elapsed = bar.tasks[task].elapsed or 1e-9
            bar.update(task, completed=position, events=sent, rate=sent / elapsed)

        async def publish() -> ImportReport:
            connection = _connection(target)
            return await import_files(
                files, mapping, connection=connection, timezone=timezone, delimiter=delimiter, progress=progress
            )

        return run(publish())


def _size(files: Sequence[Path]) -> int | None:
    """Return the bytes to read; None if stdin is among the files."""
    return None if _STDIN in files else sum(file.stat().st_size for file in files)


def _connection(target: _Target) -> KafkaConnection:
    data_dir, bootstrap = target
    if bootstrap is not None:
        return KafkaSettings(bootstrap=bootstrap).connection()
    settings = KafkaSettings()
    if data_dir is None and "bootstrap" in settings.model_fields_set:
        return settings.connection()
    folder = DataFolder(data_dir or StackSettings().data_dir)
    return KafkaConnection(bootstrap_servers=folder.running_stack().bootstrap)


def _pairs(option: str, given: list[str] | None, example: str = "occurred_at=TIMESTAMP") -> dict[str, str]:
    pairs = dict(text.partition("=")[::2] for text in given or [])
    if any(not name or not value for name, value in pairs.items()):
        raise refuse(f"{option} expects NAME=VALUE, for example {option} {example}")
    return pairs


def _values(given: list[str] | None) -> dict[str, dict[str, str]]:
    example = "status:failed=error"
    values: dict[str, dict[str, str]] = {}
    for text, replacement in _pairs("--value", given, example).items():
        name, _, cell = text.partition(":")
        if not name or not cell:
            raise refuse(f"--value expects FIELD:CELL=VALUE, for example --value {example}")
        values.setdefault(name, {})[cell] = replacement
    return values


def _progress() -> Progress:
    return progress_bars(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[events]:,} events  {task.fields[rate]:,.0f}/s  left"),
        TimeRemainingColumn(),
    )
