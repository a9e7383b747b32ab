"""The summary of an import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import typer

from spendmeter_deploy.cli.importing.pricing import EstimatedCost
from spendmeter_events.importers import RejectedRow
from spendmeter_rollups.catalogue.money import plain

_MAX_REJECTIONS_SHOWN: Final = 20


@dataclass(slots=True)
class ImportReport:
    """Counts of published events, and of rejected and skipped rows."""

    sent: int = 0
    repeated: int = 0
    """Events of `sent` with the id of an earlier event of the same import."""
    rejected: int = 0
    skipped: int = 0
    partial: int = 0
    unpriced: int = 0
    cost: Decimal = Decimal(0)
    """USD by the price book, of the events that are not repeated."""
    first_rejections: list[tuple[str, RejectedRow]] = field(default_factory=list)
    """The first rejected lines, with their file (empty if there is only one)."""

    @property
    def rows(self) -> int:
        """Items that were handled so far."""
        return self.sent + self.rejected + self.skipped

    def reject(self, rejection: RejectedRow, file: str) -> None:
        """Count a rejected line, and keep it if it is among the first."""
        self.rejected += 1
        if len(self.first_rejections) < _MAX_REJECTIONS_SHOWN:
            self.first_rejections.append((file, rejection))

    def charge(self, costs: Sequence[EstimatedCost]) -> None:
        """Add the costs of new events."""
        self.cost += sum((each.cost for each in costs), Decimal(0))
        self.partial += sum(each.status == "partial" for each in costs)
        self.unpriced += sum(each.status == "unpriced" for each in costs)


def show(report: ImportReport, *, published: bool = True) -> None:
    """Print the summary to stdout, and the rejected lines to stderr.

    :raises typer.Exit: lines were rejected (code 1).
    """
    for line in summary(report, published=published):
        typer.echo(line)
    for file, rejection in report.first_rejections:
        typer.echo(f"  {file}line {rejection.line}: {rejection.reason}", err=True)
    if report.rejected > len(report.first_rejections):
        typer.echo(f"  and {report.rejected - len(report.first_rejections):,} more", err=True)
    if report.rejected:
        raise typer.Exit(1)


def summary(report: ImportReport, *, published: bool = True) -> Iterator[str]:
    """Yield the lines of the summary."""
    skipped = (
        f", {report.skipped:,} skipped, because they are not selected or not calls of a provider"
        if report.skipped
        else ""
    )
    done = "published" if published else "read, nothing published"
    yield f"{_counted(report.sent, 'event')} {done}, {_counted(report.rejected, 'line')} rejected{skipped}"
    if report.sent:
        partial = f", {report.partial:,} partly priced" if report.partial else ""
        yield (
            f"{_counted(report.sent - report.repeated, 'call')}, {report.repeated:,} repeated in the files,"
            f" {report.unpriced:,} unpriced{partial}; cost {plain(report.cost)} USD by the price book"
        )
    if report.sent and published:
        yield "Calls that were counted before add nothing: the worker compares their ids as it reads them."


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun if count == 1 else noun + 's'}"
