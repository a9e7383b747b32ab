"""Map columns and constants to event fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from spendmeter_events.event import UsageEvent
from spendmeter_events.importers._cached import undeclared
from spendmeter_events.importers._errors import InvalidMapping
from spendmeter_events.importers._expressions import Getter, Known, parse
from spendmeter_events.importers._presets import READERS, Preset, PresetReader
from spendmeter_events.normalize.cells import CellError, Convert, converters, text

TAG_PREFIX: Final = "tags."

# A valid event. If it is invalid with the constants of a mapping, every row would be.
_VALID_EVENT: Final[Mapping[str, Any]] = {
    "event_id": UUID(int=0),
    "occurred_at": datetime(2000, 1, 1, tzinfo=UTC),
    "org_id": "x",
    "feature": "x",
    "provider": "x",
    "model": "x",
}
_REQUIRED: Final = tuple(name for name in _VALID_EVENT if name != "event_id")
_WORDING: Final = {"missing": "empty", "string_pattern_mismatch": "contains a control character"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMapping:
    """`columns`: field → column of the file, dotted path into its JSON (`usage.prompt_tokens`, `choices.0.index`), or a
    sum or difference of these (`prompt_tokens-cached_tokens`). `constants`: field → value for every row.

    A field is any field of `UsageEvent` except `schema_version` and `tags`, or `tags.NAME` for one tag.
    `occurred_at`, `org_id`, `feature`, `provider` and `model` are required. A constant has the format of a cell.
    `id_from`: the column that identifies each call, as any text (map UUIDs to `event_id` instead).
    `preset`: the export of another tool, whose columns need no mapping; `columns` and `constants` override it.
    `input_includes_cache`: whether the column of `input_tokens` includes the cached tokens, which are then subtracted.
    It must be declared if the names of the columns leave it open.
    `where`: column or path → text; other rows are skipped. `values`: field → cell → the text that replaces it.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, object] = field(default_factory=dict)
    id_from: str | None = None
    preset: Preset | None = None
    input_includes_cache: bool | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan:
    """A mapping that was checked against a file."""

    constants: Mapping[str, Any]
    steps: Sequence[tuple[str, Getter, Convert]]
    """(field, reader of its cell, converter)."""
    where: Sequence[tuple[Getter, str]]
    """(reader of a cell, the text it must have)."""
    has_tags: bool
    id_from: str | None
    read_id: Getter | None
    known: Mapping[str, Convert]
    """Field → converter."""
    reader: PresetReader | None
    includes_cache: bool | None


def plan(mapping: EventMapping, found: Known, *, timezone: str | tzinfo = UTC) -> RowPlan:
    """Check a mapping against the columns of a file. Raises `InvalidMapping` with all faults."""
    known = _Fields(converters(_zone(timezone)))
    reader = READERS[mapping.preset] if mapping.preset is not None else None
    terms = {name: parse(text, found) for name, text in mapping.columns.items()}
    faults = [*_unknown(mapping, known), *_duplicates(mapping, reader), *_missing(mapping, found, reader)]
    faults += [*undeclared(mapping.columns, mapping.input_includes_cache, reader, terms)]
    if faults:
        raise InvalidMapping("\n".join(faults))
    constants = _constants(mapping.constants, known)
    for name, texts in mapping.values.items():
        known[name] = _replaced(texts, known[name])
    steps = [(name, expression.read, known[name]) for name, expression in terms.items()]
    has_tags = any(name.startswith(TAG_PREFIX) for name in (*mapping.columns, *mapping.constants))
    id_from = mapping.id_from or (reader.id_column if reader else None)
    return RowPlan(
        constants=constants,
        steps=steps,
        where=[(parse(column, found).read, value) for column, value in mapping.where.items()],
        has_tags=has_tags or reader is not None,
        id_from=id_from,
        read_id=None if id_from is None else parse(id_from, found).read,
        known=known,
        reader=reader,
        includes_cache=mapping.input_includes_cache,
    )


def as_text(cell: Any) -> str:
    """Return a cell as the text that `where` and `values` compare: `true`, `null` as empty text."""
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool) else str(cell).strip()


def _replaced(texts: Mapping[str, str], convert: Convert) -> Convert:
    return lambda cell: convert(texts.get(as_text(cell), cell))


def as_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments of `UsageEvent`, with `tags.NAME` entries collected in `tags`."""
    fields: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    for name, value in values.items():
        if name.startswith(TAG_PREFIX):
            tags[name.removeprefix(TAG_PREFIX)] = value
        else:
            fields[name] = value
    return {**fields, "tags": tags} if tags else fields


def reasons(error: ValidationError) -> list[str]:
    """Return one text per fault: the field and the violated rule, never the value."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return [f"{'.'.join(map(str, fault['loc']))}: {_WORDING.get(fault['type'], fault['msg'])}" for fault in faults]


class _Fields(dict[str, Convert]):
    """Field → converter, including every `tags.NAME`."""

    def __missing__(self, name: str) -> Convert:
        if name.startswith(TAG_PREFIX) and len(name) > len(TAG_PREFIX):
            return text
        raise KeyError(name)

    def has(self, name: str) -> bool:
        return name in self or (name.startswith(TAG_PREFIX) and len(name) > len(TAG_PREFIX))


def _zone(timezone: str | tzinfo) -> tzinfo:
    try:
        return ZoneInfo(timezone) if isinstance(timezone, str) else timezone
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidMapping(f"timezone: unknown zone {timezone!r}; use an IANA name such as 'Asia/Kolkata'") from error


def _unknown(mapping: EventMapping, known: _Fields) -> Iterator[str]:
    fields = ", ".join([*known, f"{TAG_PREFIX}NAME"])
    for name in (*mapping.columns, *mapping.constants, *mapping.values):
        if not known.has(name):
            yield f"{name}: no such field; the fields are {fields}"


def _duplicates(mapping: EventMapping, reader: PresetReader | None) -> Iterator[str]:
    for name in mapping.columns:
        if name in mapping.constants:
            yield f"{name}: given by both a column and a constant"
    if mapping.id_from is not None and ("event_id" in mapping.columns or "event_id" in mapping.constants):
        yield "event_id: given by both a mapping and the column of ids"
    if reader and not reader.id_column and (mapping.id_from or {"event_id"} & {*mapping.columns, *mapping.constants}):
        yield f"event_id: {mapping.preset} derives the ids itself, because a row is several calls"


def _missing(mapping: EventMapping, found: Known, reader: PresetReader | None) -> Iterator[str]:
    faults = [*_absent(mapping, found, reader)]
    yield from faults
    if faults:
        yield f"the columns are {', '.join(map(repr, found.columns)) or 'unknown: no row was read'}"


def _absent(mapping: EventMapping, found: Known, reader: PresetReader | None) -> Iterator[str]:
    columns = list(found.columns)
    for name in reader.required if reader else ():
        if name not in columns:
            yield f"{mapping.preset}: no column {name!r}"
    for name in _REQUIRED:
        if reader and name in reader.fields:
            continue
        if name not in mapping.columns and name not in mapping.constants:
            yield f"{name}: neither a column nor a constant gives it"
    named = [*mapping.columns.items(), *([("the id", mapping.id_from)] if mapping.id_from is not None else [])]
    used = [(name, column) for name, expression in named for column in parse(expression, found).terms]
    for name, column in (*used, *(("--where", column) for column in mapping.where)):
        if not found.has(column):
            yield f"{name}: no column {column!r}"
        elif columns.count(column) > 1:
            yield f"{name}: more than one column is named {column!r}"


def _constants(given: Mapping[str, object], known: _Fields) -> dict[str, Any]:
    constants: dict[str, Any] = {}
    faults: list[str] = []
    for name, value in given.items():
        try:
            constants[name] = known[name](value)
        except CellError as error:
            faults.append(f"{name}: {error}")
    try:
        UsageEvent.model_validate({**_VALID_EVENT, **as_fields(constants)})
    except ValidationError as error:
        faults.extend(reasons(error))
    if faults:
        raise InvalidMapping("\n".join(f"the constant {fault}" for fault in faults))
    return constants
