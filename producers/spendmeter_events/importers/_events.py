"""Convert the rows of a file to usage events."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, tzinfo
from typing import Any, NamedTuple

from pydantic import ValidationError

from spendmeter_events.event import UsageEvent
from spendmeter_events.importers._errors import UnreadableFile
from spendmeter_events.importers._identity import RowIds, derived_id, digest_of
from spendmeter_events.importers._mapping import EventMapping, RowPlan, as_fields, plan, reasons
from spendmeter_events.importers._rows import FileFormat, RejectedRow, Row, Rows, read_rows
from spendmeter_events.normalize.cells import CellError


class Imported(NamedTuple):
    """An event, and the first line of its row."""

    line: int
    event: UsageEvent


def events(
    source: str | os.PathLike[str] | Rows,
    mapping: EventMapping,
    *,
    format: FileFormat = "auto",
    timezone: str | tzinfo = UTC,
    namespace: str = "",
) -> Iterator[Imported | RejectedRow]:
    """Yield every row of a file as an event, in file order, or as `RejectedRow` with the reason.

    `source` is a path, or rows from `read_rows` (whose `position` feeds a progress bar). A time without an offset is
    in `timezone`. Event ids are derived from each row's content (or from `mapping.id_from`), not from surrounding
    rows: a second import yields the same ids, another `namespace` yields others. An empty cell, a JSON null and an
    absent key leave a field at its default.

    Raises `OSError`, `UnreadableFile` or `InvalidMapping` at once; while iterating, `OSError`, and `UnreadableFile`
    if a gzip stream is truncated.
    """
    rows = source if isinstance(source, Rows) else read_rows(source, format=format)
    try:
        _ensure_readable(rows)
        steps = plan(mapping, rows.columns, timezone=timezone)
    except BaseException:
        rows.close()
        raise
    return _convert(rows, steps, namespace)


def _ensure_readable(rows: Rows) -> None:
    """Raise `UnreadableFile` if no line can be read: the mapping would be blamed for the missing columns."""
    first = None if rows.columns else next(rows, None)
    if isinstance(first, RejectedRow):
        raise UnreadableFile(f"no line can be read; line {first.line}: {first.reason}")


def _convert(rows: Rows, steps: RowPlan, namespace: str) -> Iterator[Imported | RejectedRow]:
    with rows, closing(RowIds()) as ids:
        for row in rows:
            yield _event(row, steps, ids, namespace) if isinstance(row, Row) else row


def _event(row: Row, steps: RowPlan, ids: RowIds, namespace: str) -> Imported | RejectedRow:
    values: dict[str, Any] = dict(steps.constants)
    for name, column, convert in steps.steps:
        cell = row.cells.get(column)
        if cell is None or cell == "" or (isinstance(cell, str) and cell.isspace()):
            continue
        try:
            values[name] = convert(cell)
        except CellError as error:
            return RejectedRow(row.line, f"{name}: {error}")
    if "occurred_at" not in values:
        return RejectedRow(row.line, "occurred_at: empty")
    if "event_id" not in values:
        digest = _digest(row, steps, values, ids)
        if isinstance(digest, RejectedRow):
            return digest
        values["event_id"] = derived_id(values["occurred_at"], digest, namespace)
    try:
        return Imported(row.line, UsageEvent.model_validate(as_fields(values) if steps.has_tags else values))
    except ValidationError as error:
        return RejectedRow(row.line, "; ".join(reasons(error)))


def _digest(row: Row, steps: RowPlan, values: Mapping[str, Any], ids: RowIds) -> bytes | RejectedRow:
    """Return the digest from which the id of a row is derived."""
    if steps.id_from is None:
        return ids.of_content(row.digest)
    cell = row.cells.get(steps.id_from)
    value = cell.strip() if isinstance(cell, str) else cell
    if value is None or value == "":
        # An id from the content would count the call again when another cell changes.
        return RejectedRow(row.line, f"no id: {steps.id_from} is empty")
    if isinstance(value, (dict, list)):
        return RejectedRow(row.line, f"no id: {steps.id_from} is neither text nor a number")
    # Ids may be counters that start at 1 for each org and provider.
    digest = digest_of(["id", values.get("org_id"), values.get("provider"), str(value)])
    line = ids.line_of_other_content(digest, row.digest, row.line)
    return digest if line is None else RejectedRow(row.line, f"same id as line {line}, but different content")
