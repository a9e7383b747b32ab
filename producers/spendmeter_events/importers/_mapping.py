"""Map columns and constants to event fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from spendmeter_events.event import UsageEvent
from spendmeter_events.importers._errors import InvalidMapping
from spendmeter_events.importers._presets import READERS, Preset, PresetReader
from spendmeter_events.normalize.cells import CellError, Convert, converters, text
from spendmeter_events.usage_units import UNCACHED

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
CACHE_FIELDS: Final = tuple(name for name, uncached in UNCACHED.items() if uncached == "input_tokens")
_DECLARE: Final = "declare --input-includes-cache or --input-excludes-cache (in Python, input_includes_cache)"
_DISJOINT_INPUT: Final = frozenset({"inputtokens", "uncachedinputtokens", "inputuncachedtokens"})
_DISJOINT_CACHE: Final = re.compile(r"cache(read|creation|write)(input)?(5m|1h)?tokens|ephemeral(5m|1h)inputtokens")
"""Letters and digits of column names that exclude each other: those of Anthropic, Claude Code and `UsageEvent`."""
_WORDING: Final = {"missing": "empty", "string_pattern_mismatch": "contains a control character"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMapping:
    """`columns`: field → column of the file. `constants`: field → value for every row.

    A field is any field of `UsageEvent` except `schema_version` and `tags`, or `tags.NAME` for one tag.
    `occurred_at`, `org_id`, `feature`, `provider` and `model` are required. A constant has the format of a cell.
    `id_from`: the column that identifies each call, as any text (map UUIDs to `event_id` instead).
    `preset`: the export of another tool, whose columns need no mapping; `columns` and `constants` override it.
    `input_includes_cache`: whether the column of `input_tokens` includes the cached tokens, which are then subtracted.
    It must be declared if the names of the columns leave it open.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, object] = field(default_factory=dict)
    id_from: str | None = None
    preset: Preset | None = None
    input_includes_cache: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan:
    """A mapping that was checked against a file."""

    constants: Mapping[str, Any]
    steps: Sequence[tuple[str, str, Convert]]
    """(field, column, converter)."""
    has_tags: bool
    id_from: str | None
    known: Mapping[str, Convert]
    """Field → converter."""
    reader: PresetReader | None
    includes_cache: bool | None


def plan(mapping: EventMapping, columns: Sequence[str], *, timezone: str | tzinfo = UTC) -> RowPlan:
    """Check a mapping against the columns of a file. Raises `InvalidMapping` with all faults."""
    known = _Fields(converters(_zone(timezone)))
    reader = READERS[mapping.preset] if mapping.preset is not None else None
    faults = [*_unknown(mapping, known), *_duplicates(mapping, reader), *_missing(mapping, columns, reader)]
    faults += [*_undeclared(mapping, reader)] if mapping.input_includes_cache is None else []
    if faults:
        raise InvalidMapping("\n".join(faults))
    constants = _constants(mapping.constants, known)
    steps = [(name, column, known[name]) for name, column in mapping.columns.items()]
    has_tags = any(name.startswith(TAG_PREFIX) for name in (*mapping.columns, *mapping.constants))
    return RowPlan(
        constants=constants,
        steps=steps,
        has_tags=has_tags or reader is not None,
        id_from=mapping.id_from or (reader.id_column if reader else None),
        known=known,
        reader=reader,
        includes_cache=mapping.input_includes_cache,
    )


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
    for name in (*mapping.columns, *mapping.constants):
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


def _undeclared(mapping: EventMapping, reader: PresetReader | None) -> Iterator[str]:
    """Yield a fault if cached tokens could be counted twice."""
    columns = {name: mapping.columns[name] for name in ("input_tokens", *CACHE_FIELDS) if name in mapping.columns}
    if reader is not None:
        if reader.undeclared:
            yield f"{reader.undeclared}: {_DECLARE}"
        return
    known = {name: re.sub(r"[^a-z0-9]", "", column.lower()) for name, column in columns.items()}
    column = known.pop("input_tokens", None)
    if column is None or (column in _DISJOINT_INPUT and all(map(_DISJOINT_CACHE.fullmatch, known.values()))):
        return
    for name in known:
        yield (
            f"input_tokens: column {columns['input_tokens']!r} may include {columns[name]!r}, and those tokens would be"
            f" counted twice: {_DECLARE}"
        )


def _missing(mapping: EventMapping, columns: Sequence[str], reader: PresetReader | None) -> Iterator[str]:
    faults = [*_absent(mapping, columns, reader)]
    yield from faults
    if faults:
        yield f"the columns are {', '.join(map(repr, columns)) or 'unknown: no row was read'}"


def _absent(mapping: EventMapping, columns: Sequence[str], reader: PresetReader | None) -> Iterator[str]:
    for name in reader.required if reader else ():
        if name not in columns:
            yield f"{mapping.preset}: no column {name!r}"
    for name in _REQUIRED:
        if reader and name in reader.fields:
            continue
        if name not in mapping.columns and name not in mapping.constants:
            yield f"{name}: neither a column nor a constant gives it"
    named = [*mapping.columns.items(), *([("the id", mapping.id_from)] if mapping.id_from is not None else [])]
    for name, column in named:
        if column not in columns:
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
