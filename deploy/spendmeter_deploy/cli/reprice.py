"""The words of `spendmeter reprice`: its window, its progress bars, the difference, and the question before it acts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from spendmeter_clickhouse import Session
from spendmeter_deploy.cli.offline_store import embedded_folder, offline_store
from spendmeter_deploy.cli.running import refuse, run
from spendmeter_deploy.errors import StartError
from spendmeter_stream.pricing import PriceBook, PriceBookWatcher
from spendmeter_stream.pricing.feed import read_price_rows
from spendmeter_stream.reprice import Difference, Line, Selection, append_adjustments, compare, lease
from spendmeter_stream.reprice import Progress as Report
from spendmeter_stream.settings import StreamSettings

Names = Annotated[list[str] | None, typer.Option(help="Only this one; repeat for more.")]


def reprice_command(
    start: Annotated[str, typer.Option("--from", help="A day or a time, in UTC unless it has an offset.")],
    end: Annotated[str, typer.Option("--to", help="The window ends before this day or time.")],
    provider: Names = None,
    model: Names = None,
    org: Names = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the difference and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before appending.")] = False,
    files_only: Annotated[bool, typer.Option("--files-only", help="Leave out the price rows on the broker.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="The folder of an embedded stack that is stopped.")
    ] = None,
) -> None:
    """Bring stored calls to the prices of the current book, by adjustments; nothing stored is rewritten."""
    names = {"providers": tuple(provider or ()), "models": tuple(model or ()), "orgs": tuple(org or ())}
    run(_reprice(_moment(start), _moment(end), names, dry_run, yes, files_only, data_dir))


async def _reprice(
    start: datetime,
    end: datetime,
    names: dict[str, tuple[str, ...]],
    dry_run: bool,
    yes: bool,
    files_only: bool,
    data_dir: Path | None,
) -> None:
    selection = Selection(start=start, end=end, **names)
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
    typer.echo(f"{appended:,} adjustments appended; what is counted is now the price of book {book.version}")


async def _append(session: Session, selection: Selection, book: PriceBook) -> int:
    # Even without a difference: a run that was killed may have left a block that is not in every rollup.
    async with lease(session, selection, book.version) as held:
        with _progress("append") as report:
            return await append_adjustments(held, book, progress=report)


async def _current_book(data_dir: Path | None, *, files_only: bool) -> PriceBook:
    """The book that workers price with: its files, and the rows on the broker, which an embedded one forgets."""
    settings = StreamSettings()
    watcher = PriceBookWatcher(directory=settings.prices_path)
    if files_only or embedded_folder(data_dir) is not None:
        return watcher.book
    try:
        rows = await read_price_rows(settings.client_options())
    except (KafkaError, OSError) as error:
        raise StartError(
            f"the price rows cannot be read from {settings.bootstrap}: {error}; or use --files-only"
        ) from error
    for key, value in rows.items():
        watcher.put(key, value)
        if watcher.fault is not None:
            raise StartError(f"the price row {key!r} is faulty, and workers differ about it: {watcher.fault}")
    return watcher.book


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise refuse(f"{text!r} is not a day such as 2026-01-31, nor a time such as 2026-01-31T12:00:00Z") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@contextmanager
def _progress(verb: str) -> Iterator[Report]:
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("calls"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(verb, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _show(difference: Difference, book: PriceBook) -> None:
    table = Table(title=f"What book {book.version} says, in USD")
    for name in ("provider", "model"):
        table.add_column(name)
    for name in ("calls", "changed", "counted now", "new book", "difference"):
        table.add_column(name, justify="right")
    table.add_column("status")
    lines = sorted(difference.lines.items(), key=lambda item: (-abs(item[1].delta), item[0]))
    for (provider, model), line in lines:
        if line.changed:
            table.add_row(provider, model, *_cells(line), end_section=False)
    unchanged = sum(not line.changed for _, line in lines)
    table.add_section()
    table.add_row("all", f"and {unchanged} models without a change" if unchanged else "", *_cells(difference.total()))
    Console().print(table)


def _cells(line: Line) -> list[str]:
    statuses = ", ".join(f"{old} → {new}: {calls:,}" for (old, new), calls in sorted(line.statuses.items()))
    amounts = [f"{line.old:,.6f}", f"{line.new:,.6f}", f"{line.delta:+,.6f}"]
    return [f"{line.events:,}", f"{line.changed:,}", *amounts, statuses]
