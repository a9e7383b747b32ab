"""`spendmeter reprice`: options, progress bars, the table of differences and the confirmation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from spendmeter_clickhouse import Session
from spendmeter_deploy.cli.offline_store import embedded_folder, offline_store
from spendmeter_deploy.cli.running import run
from spendmeter_deploy.cli.terminal.console import add_plain_row, output, progress_bars
from spendmeter_deploy.cli.terminal.option_values import parse_time
from spendmeter_deploy.errors import StartError
from spendmeter_stream.price_feed import read_price_rows
from spendmeter_stream.pricing import PriceBook, PriceBookWatcher
from spendmeter_stream.reprice import CallSelection, CostDifference, Line, append_adjustments, compare, lease
from spendmeter_stream.reprice import Progress as Report
from spendmeter_stream.settings import StreamSettings

Names = Annotated[list[str] | None, typer.Option(help="Only this value; repeatable.")]


def reprice_command(
    start: Annotated[str, typer.Option("--from", help="Start of the window: a day or a time, UTC without an offset.")],
    end: Annotated[str, typer.Option("--to", help="End of the window, exclusive.")],
    provider: Names = None,
    model: Names = None,
    org: Names = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the difference without appending adjustments.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Append without confirmation.")] = False,
    files_only: Annotated[bool, typer.Option("--files-only", help="Ignore the price rows in Kafka.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Data folder of a stopped embedded stack.")
    ] = None,
) -> None:
    """Reprice stored calls with the current price book by appending adjustments. Stored rows stay unchanged."""
    names = {"providers": tuple(provider or ()), "models": tuple(model or ()), "orgs": tuple(org or ())}
    window = parse_time(start, option="--from"), parse_time(end, option="--to")
    run(_reprice(*window, names, dry_run, yes, files_only, data_dir))


async def _reprice(
    start: datetime,
    end: datetime,
    names: dict[str, tuple[str, ...]],
    dry_run: bool,
    yes: bool,
    files_only: bool,
    data_dir: Path | None,
) -> None:
    selection = CallSelection(start=start, end=end, **names)
    book = await _current_book(data_dir, files_only=files_only)
    async with offline_store(data_dir) as store:
        with store.session("reprice") as session:
            with _progress("compare") as report:
                difference = await compare(session, selection, book, progress=report)
            _show(difference, book)
            if dry_run:
                return
            if difference.total().changed and not yes:
                typer.confirm("Append these adjustments?", abort=True)
            appended = await _append(session, selection, book)
    typer.echo(f"{appended:,} adjustments appended; the window is priced with book {book.version}")


async def _append(session: Session, selection: CallSelection, book: PriceBook) -> int:
    # Also run without a difference: a killed run may have left a block that is missing in some rollups.
    async with lease(session, selection, book.version) as leased:
        with _progress("append") as report:
            return await append_adjustments(leased, book, progress=report)


async def _current_book(data_dir: Path | None, *, files_only: bool) -> PriceBook:
    """Return the book in force in workers: its files and the price rows in Kafka.

    The memory broker of a stopped embedded stack has lost its price rows, so only the files count there.
    """
    settings = StreamSettings()
    watcher = PriceBookWatcher(directory=settings.prices_path)
    if files_only or embedded_folder(data_dir) is not None:
        return watcher.book
    try:
        rows = await read_price_rows(settings.client_options())
    except (KafkaError, OSError) as error:
        raise StartError(
            f"cannot read price rows from Kafka at {settings.bootstrap} ({error});"
            " check SPENDMETER_BOOTSTRAP, or use --files-only"
        ) from error
    watcher.put_all(rows)
    for key, fault in watcher.rejected.items():
        raise StartError(f"invalid price row {key!r}: {fault}; publish a corrected row, or use --files-only")
    return watcher.book


@contextmanager
def _progress(verb: str) -> Iterator[Report]:
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("calls"))
    with progress_bars(*columns, TimeRemainingColumn()) as bar:
        task = bar.add_task(verb, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _show(difference: CostDifference, book: PriceBook) -> None:
    table = Table(title=f"Repricing with book {book.version}, USD")
    for name in ("provider", "model"):
        table.add_column(name)
    for name in ("calls", "changed", "stored", "repriced", "difference"):
        table.add_column(name, justify="right")
    table.add_column("status")
    lines = sorted(difference.lines.items(), key=lambda item: (-abs(item[1].delta), item[0]))
    for (provider, model), line in lines:
        if line.changed:
            add_plain_row(table, provider, model, *_cells(line))
    unchanged = sum(not line.changed for _, line in lines)
    table.add_section()
    table.add_row("all", f"and {unchanged} unchanged models" if unchanged else "", *_cells(difference.total()))
    output().print(table)


def _cells(line: Line) -> list[str]:
    statuses = ", ".join(f"{old} → {new}: {calls:,}" for (old, new), calls in sorted(line.statuses.items()))
    amounts = [f"{line.old:,.6f}", f"{line.new:,.6f}", f"{line.delta:+,.6f}"]
    return [f"{line.events:,}", f"{line.changed:,}", *amounts, statuses]
