"""Print the report of `verify` as tables."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from spendmeter_deploy.cli.terminal.console import add_plain_row, output
from spendmeter_rollups.catalogue.money import plain
from spendmeter_stream.verify import Report
from spendmeter_stream.verify.doubles import CountingWarnings
from spendmeter_stream.verify.measures import ROLLUPS

_MAX_ROWS = 40


def show(report: Report) -> None:
    """Print the result of each rollup, differences, duplicates and warnings, open chunks and dead letters."""
    console = output()
    span = f"{report.first} … {report.last}" if report.days else "no rows"
    console.print(f"{report.events:,} raw events, {report.days} days with rows ({span})")
    if report.uncompared:
        console.print(
            f"{len(report.uncompared):,} days before {report.raw_kept_from} ({report.uncompared[0]} … "
            f"{report.uncompared[-1]}) not compared: their raw events were deleted"
        )
    console.print(_verdicts(report))
    _show_differences(report, console)
    _show_duplicates(report, console)
    _show_warnings(report.warnings, console)
    _show_surroundings(report, console)


def _verdicts(report: Report) -> Table:
    table = Table("table", "compared", "result")
    differing = {difference.table for difference in report.differences}
    for rollup in ROLLUPS:
        verdict = "[red]differs[/]" if rollup.table in differing else "equal"
        table.add_row(rollup.table, f"{len(rollup.measures)} measures by day and org", verdict)
    verdict = f"[red]{report.duplicate_ids:,} duplicates[/]" if report.duplicate_ids else "unique"
    table.add_row("usage_events", "event_id", verdict)
    return table


def _show_differences(report: Report, console: Console) -> None:
    if not report.differences:
        return
    table = Table("day", "org", "table", "measure", "raw events", "rollup", title="Differences")
    for found in report.differences[:_MAX_ROWS]:
        raw, rollup = found.raw or "org missing", found.rollup or "org missing"
        add_plain_row(table, str(found.day), found.org, found.table, found.measure, raw, rollup)
    console.print(table)
    if (more := len(report.differences) - _MAX_ROWS) > 0:
        console.print(f"and {more:,} more; --json lists up to 50 orgs per day and table")
    if not report.settled:
        console.print(
            "These days changed during the comparison, so a chunk in flight may appear as a difference. Run again,"
        )
        console.print("or set SPENDMETER_BOOTSTRAP, so that an ingest barrier can pause the workers.")
    console.print("Run `spendmeter rollups rebuild --month YYYY-MM` to rebuild a month of rollups from raw events.")


def _show_duplicates(report: Report, console: Console) -> None:
    if not report.duplicates:
        return
    table = Table("day", "org", "event_id", "copies", title="Duplicates")
    for found in report.duplicates[:_MAX_ROWS]:
        add_plain_row(table, str(found.day), found.org, str(found.event_id), str(found.copies))
    console.print(table)


def _show_warnings(warnings: CountingWarnings, console: Console) -> None:
    if warnings.suspected:
        title = (
            f"Warning: {warnings.suspected:,} suspected double reports, {plain(warnings.suspected_cost)} USD, counted"
        )
        table = Table("time", "org", "call", "event_id", "first report", "evidence", title=title)
        for each in warnings.double_reports[:_MAX_ROWS]:
            call, at = f"{each.provider} {each.model}", f"{each.occurred_at:%Y-%m-%d %H:%M:%S}"
            add_plain_row(table, at, each.org, call, str(each.event_id), str(each.first_event_id), each.evidence)
        console.print(table)
    if warnings.conflicts:
        title = f"Warning: {warnings.conflicts:,} events not counted, because a call with their id differs"
        table = Table("day", "org", "event_id", "fields that differ", title=title)
        for found in warnings.conflict_list[:_MAX_ROWS]:
            add_plain_row(table, str(found.day), found.org, str(found.event_id), ", ".join(found.fields))
        console.print(table)


def _show_surroundings(report: Report, console: Console) -> None:
    label = "open chunks" if report.offsets_known else "last chunk of each partition (no broker: may be complete)"
    chunks = ", ".join(f"{chunk} since {chunk.written_at:%H:%M:%S}" for chunk in report.open_chunks[:_MAX_ROWS])
    console.print(f"{label}: {chunks or 'none'}", markup=False)
    if report.dead_letters is None:
        console.print("dead letters: not counted (no broker)")
        return
    codes = ", ".join(f"{code} {number:,}" for code, number in report.dead_letters.by_code.items())
    console.print(f"dead letters: {report.dead_letters.total:,}" + (f" ({codes})" if codes else ""))
