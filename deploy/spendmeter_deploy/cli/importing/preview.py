"""`spendmeter import --dry-run`: the first rows as events with their cost. Nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from spendmeter_deploy.cli.importing.import_report import ImportReport
from spendmeter_deploy.cli.importing.pricing import estimate, load_book
from spendmeter_deploy.cli.importing.publishing import FileImport, batches
from spendmeter_deploy.cli.terminal.console import print_json
from spendmeter_deploy.errors import StartError
from spendmeter_events import UsageEvent
from spendmeter_events.importers import EventMapping, InvalidMapping, UnreadableFile
from spendmeter_rollups.catalogue.money import plain
from spendmeter_stream.pricing import PriceBook

SHOWN: Final = 5


async def preview_files(
    files: Sequence[Path], mapping: EventMapping, *, timezone: str, delimiter: str | None
) -> ImportReport:
    """Print the first events of the files with their cost, and read the rest.

    :raises StartError: a file or the mapping is invalid.
    """
    book = await load_book()
    shown = 0
    with closing(FileImport(mapping=mapping, timezone=timezone, delimiter=delimiter, book=book)) as work:
        for file in files:
            try:
                _, items = work.open(file)
                for batch in batches(items):
                    first = work.count(batch, f"{file} " if len(files) > 1 else "")[: SHOWN - shown]
                    _print(first, book)
                    shown += len(first)
            except (OSError, InvalidMapping, UnreadableFile) as error:
                raise StartError(f"{file}: {error}") from error
        return work.report


def _print(events: Sequence[UsageEvent], book: PriceBook) -> None:
    """Print one JSON object per event: the fields that differ from their defaults, then the cost."""
    for event, priced in zip(events, estimate(book, events), strict=True):
        fields = event.model_dump(mode="json", exclude_defaults=True)
        cost = {"cost_usd": plain(priced.cost), "pricing_status": priced.status}
        missing = {"unpriced_units": list(priced.missing)} if priced.missing else {}
        print_json([{**fields, **cost, **missing}])
