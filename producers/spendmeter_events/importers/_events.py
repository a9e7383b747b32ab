"""Convert the rows of a file to usage events."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, tzinfo
from typing import Any, NamedTuple

from pydantic import ValidationError

from spendmeter_events.event import UsageEvent
from spendmeter_events.importers._cached import CACHE_FIELDS
from spendmeter_events.importers._errors import UnreadableFile
from spendmeter_events.importers._expressions import Known
from spendmeter_events.importers._identity import RowIds, derived_id, digest_of
from spendmeter_events.importers._mapping import EventMapping, RowPlan, as_fields, as_text, plan, reasons
from spendmeter_events.importers._presets import NotACall, PresetReader
from spendmeter_events.importers._rows import FileFormat, RejectedRow, Row, Rows, SkippedRow, read_rows
from spendmeter_events.normalize.cells import CellError, Convert


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
) -> Iterator[Imported | RejectedRow | SkippedRow]:
    """Yield every row of a file as an event, in file order, or as `RejectedRow` with the reason.

    Only with `mapping.preset`, a row can be several events, or a `SkippedRow`.

    `source` is a path, or rows from `read_rows` (whose `position` feeds a progress bar). A time without an offset is
    in `timezone`. Event ids are derived from each row's content (or from `mapping.id_from`), not from surrounding
    rows: a second import yields the same ids, another `namespace` yields others. An empty cell, a JSON null and an
    absent key leave a field at its default.

    Raises `OSError`, `UnreadableFile` or `InvalidMapping` at once; while iterating, `OSError`, and `UnreadableFile`
    if a compressed stream is truncated.
    """
    rows = source if isinstance(source, Rows) else read_rows(source, format=format)
    try:
        _ensure_readable(rows)
        steps = plan(mapping, Known(rows.columns, rows.paths), timezone=timezone)
    except BaseException:
        rows.close()
        raise
    return _convert(rows, steps, namespace)


def _ensure_readable(rows: Rows) -> None:
    """Raise `UnreadableFile` if no line can be read: the mapping would be blamed for the missing columns."""
    first = None if rows.columns else next(rows, None)
    if isinstance(first, RejectedRow):
        raise UnreadableFile(f"no line can be read; line {first.line}: {first.reason}")


def _convert(rows: Rows, steps: RowPlan, namespace: str) -> Iterator[Imported | RejectedRow | SkippedRow]:
    with rows, closing(RowIds()) as ids:
        for row in rows:
            if not isinstance(row, Row):
                yield row
            elif not _selected(row, steps):
                yield SkippedRow(row.line, "not selected by --where")
            elif steps.reader is None:
                yield _event(row, steps, ids, namespace, {})
            else:
                yield from _calls(row, steps, steps.reader, ids, namespace)


def _selected(row: Row, steps: RowPlan) -> bool:
    return all(as_text(read(row.cells)) == value for read, value in steps.where)


def _calls(
    row: Row, steps: RowPlan, reader: PresetReader, ids: RowIds, namespace: str
) -> Iterator[Imported | RejectedRow | SkippedRow]:
    try:
        for cells in reader.read(row.cells, steps.includes_cache):
            item = _event(row, steps, ids, namespace, cells)
            yield item
            if isinstance(item, RejectedRow):
                # The other calls of the row have the same fault.
                return
    except CellError as error:
        yield RejectedRow(row.line, str(error))
    except NotACall as reason:
        yield SkippedRow(row.line, str(reason))


def _event(row: Row, steps: RowPlan, ids: RowIds, namespace: str, cells: Mapping[str, Any]) -> Imported | RejectedRow:
    """Return the event of a row. `cells` are the cells of a preset, which the mapping overrides."""
    values: dict[str, Any] = {}
    fault = _read(values, ((name, cell, steps.known[name]) for name, cell in cells.items() if name != "id"))
    values |= steps.constants
    fault = fault or _read_steps(values, row, steps)
    if not fault and steps.includes_cache and steps.reader is None:
        fault = _exclude_cache(values)
    if fault:
        return RejectedRow(row.line, fault)
    if "occurred_at" not in values:
        return RejectedRow(row.line, "occurred_at: empty")
    if "event_id" not in values:
        digest = _digest(row, steps, values, ids, cells.get("id"))
        if isinstance(digest, RejectedRow):
            return digest
        values["event_id"] = derived_id(values["occurred_at"], digest, namespace)
    try:
        return Imported(row.line, UsageEvent.model_validate(as_fields(values) if steps.has_tags else values))
    except ValidationError as error:
        return RejectedRow(row.line, "; ".join(reasons(error)))


def _read(values: dict[str, Any], cells: Iterable[tuple[str, Any, Convert]]) -> str:
    """Add (field, cell, converter) to `values`, except for empty cells. Return the first fault, else empty text."""
    for name, cell, convert in cells:
        if cell is None or cell == "" or (isinstance(cell, str) and cell.isspace()):
            continue
        try:
            values[name] = convert(cell)
        except CellError as error:
            return f"{name}: {error}"
    return ""


def _read_steps(values: dict[str, Any], row: Row, steps: RowPlan) -> str:
    """Add the mapped cells of a row to `values`. Return the first fault, else empty text."""
    for name, read, convert in steps.steps:
        try:
            fault = _read(values, [(name, read(row.cells), convert)])
        except CellError as error:
            fault = f"{name}: {error}"
        if fault:
            return fault
    return ""


def _exclude_cache(values: dict[str, Any]) -> str:
    """Subtract the cached tokens from `input_tokens`. Return the fault, else empty text."""
    rest = values.get("input_tokens", 0) - sum(values.get(name, 0) for name in CACHE_FIELDS)
    if rest < 0:
        return "input_tokens: smaller than its cached tokens, so it does not include them"
    values["input_tokens"] = rest
    return ""


def _digest(
    row: Row, steps: RowPlan, values: Mapping[str, Any], ids: RowIds, own_id: str | None
) -> bytes | RejectedRow:
    """Return the digest from which the id of a row is derived; `own_id` is that of a preset."""
    if steps.read_id is None and own_id is None:
        return ids.of_content(row.digest)
    cell = own_id if steps.read_id is None else steps.read_id(row.cells)
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
