"""A report of `verify` as tables."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from spendmeter_stream.verify import Report
from spendmeter_stream.verify.measures import ROLLUPS

_SHOWN = 40


def show(report: Report) -> None:
    """Print the verdict on each rollup, then what is wrong, then what is on its way."""
    console = Console()
    span = f"{report.first} … {report.last}" if report.days else "nothing stored"
    console.print(f"{report.events:,} raw events, {report.days} days with rows ({span})")
    if report.uncompared:
        console.print(
            f"{len(report.uncompared):,} days before {report.raw_kept_from} ({report.uncompared[0]} … "
            f"{report.uncompared[-1]}) are not compared: their raw events were deleted"
        )
    console.print(_verdicts(report))
    _show_differences(report, console)
    _show_duplicates(report, console)
    _show_surroundings(report, console)


def _verdicts(report: Report) -> Table:
    table = Table("check", "over", "result")
    differing = {difference.table for difference in report.differences}
    for rollup in ROLLUPS:
        verdict = "[red]differs[/]" if rollup.table in differing else "equal"
        table.add_row(rollup.table, f"{len(rollup.measures)} measures by day and org", verdict)
    verdict = f"[red]{report.duplicate_ids:,} stored more than once[/]" if report.duplicate_ids else "each stored once"
    table.add_row("usage_events", "event_id", verdict)
    return table


def _show_differences(report: Report, console: Console) -> None:
    if not report.differences:
        return
    table = Table("day", "org", "table", "measure", "raw events", "rollup", title="Differences")
    for it in report.differences[:_SHOWN]:
        table.add_row(str(it.day), it.org, it.table, it.measure, it.raw or "no such org", it.rollup or "no such org")
    console.print(table)
    if (more := len(report.differences) - _SHOWN) > 0:
        console.print(f"and {more:,} more: --json lists up to 50 orgs of each day and table")
    if not report.settled:
        console.print("Ingest kept changing these days, so a chunk on its way may show as a difference: look again,")
        console.print("or name the broker (SPENDMETER_BOOTSTRAP), so that workers can be asked to wait for a moment.")
    console.print("`spendmeter rollups rebuild --month YYYY-MM` makes a month of rollups anew from raw events.")


def _show_duplicates(report: Report, console: Console) -> None:
    if not report.duplicates:
        return
    table = Table("day", "org", "event_id", "copies", title="Stored more than once")
    for it in report.duplicates[:_SHOWN]:
        table.add_row(str(it.day), it.org, str(it.event_id), str(it.copies))
    console.print(table)


def _show_surroundings(report: Report, console: Console) -> None:
    judged = "open chunks" if report.offsets_known else "last chunk of each partition (no broker named, so none judged)"
    chunks = ", ".join(f"{chunk} since {chunk.written_at:%H:%M:%S}" for chunk in report.open_chunks[:_SHOWN])
    console.print(f"{judged}: {chunks or 'none'}")
    if report.dead_letters is None:
        console.print("dead letters: not counted (no broker named)")
        return
    codes = ", ".join(f"{code} {number:,}" for code, number in report.dead_letters.by_code.items())
    console.print(f"dead letters: {report.dead_letters.total:,}" + (f" ({codes})" if codes else ""))
