"""Which column or constant gives which event field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from spendmeter_events.event import UsageEvent
from spendmeter_events.importers._convert import CellError, Convert, converters, text
from spendmeter_events.importers._errors import InvalidMapping

TAG_PREFIX: Final = "tags."

# An event that is valid but for what a mapping says: what refuses it would refuse every row.
_STAND_IN: Final[Mapping[str, Any]] = {
    "event_id": UUID(int=0),
    "occurred_at": datetime(2000, 1, 1, tzinfo=UTC),
    "org_id": "x",
    "feature": "x",
    "provider": "x",
    "model": "x",
}
_NEEDED: Final = tuple(name for name in _STAND_IN if name != "event_id")
_WORDING: Final = {"missing": "empty", "string_pattern_mismatch": "has a control character in it"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventMapping:
    """`columns`: field → the file's column. `constants`: field → the value every row gets.

    A field is any of `UsageEvent` but `schema_version` and `tags`, or `tags.NAME` for one tag. `occurred_at`,
    `org_id`, `feature`, `provider` and `model` must be given. A constant is written as a cell would be.
    `id_from`: the column that names each call, with any text (an id that is a UUID may be `event_id` instead).
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, object] = field(default_factory=dict)
    id_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A mapping that fits a file, ready to be applied to its rows."""

    constants: Mapping[str, Any]
    steps: Sequence[tuple[str, str, Convert]]
    """(field, column, converter)."""
    has_tags: bool
    id_from: str | None


def plan(mapping: EventMapping, columns: Sequence[str], *, timezone: str | tzinfo = UTC) -> Plan:
    """Check a mapping against a file's columns. Raises `InvalidMapping` with every fault there is."""
    known = _Fields(converters(_zone(timezone)))
    faults = [*_unknown(mapping, known), *_doubled(mapping), *_absent(mapping, columns)]
    if faults:
        raise InvalidMapping("\n".join(faults))
    constants = _constants(mapping.constants, known)
    steps = [(name, column, known[name]) for name, column in mapping.columns.items()]
    has_tags = any(name.startswith(TAG_PREFIX) for name in (*mapping.columns, *mapping.constants))
    return Plan(constants=constants, steps=steps, has_tags=has_tags, id_from=mapping.id_from)


def as_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `UsageEvent`: `tags.NAME` entries gathered into `tags`."""
    fields: dict[str, Any] = {}
    tags: dict[str, Any] = {}
    for name, value in values.items():
        if name.startswith(TAG_PREFIX):
            tags[name.removeprefix(TAG_PREFIX)] = value
        else:
            fields[name] = value
    return {**fields, "tags": tags} if tags else fields


def reasons(error: ValidationError) -> list[str]:
    """One entry a fault: the field and the rule it breaks, never the value."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return [f"{'.'.join(map(str, fault['loc']))}: {_WORDING.get(fault['type'], fault['msg'])}" for fault in faults]


class _Fields(dict[str, Convert]):
    """Field → converter, every `tags.NAME` included."""

    def __missing__(self, name: str) -> Convert:
        if name.startswith(TAG_PREFIX) and len(name) > len(TAG_PREFIX):
            return text
        raise KeyError(name)

    def knows(self, name: str) -> bool:
        return name in self or (name.startswith(TAG_PREFIX) and len(name) > len(TAG_PREFIX))


def _zone(timezone: str | tzinfo) -> tzinfo:
    try:
        return ZoneInfo(timezone) if isinstance(timezone, str) else timezone
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidMapping(f"timezone: no zone {timezone!r}; IANA names such as 'Asia/Kolkata' are known") from error


def _unknown(mapping: EventMapping, known: _Fields) -> Iterator[str]:
    fields = ", ".join([*known, f"{TAG_PREFIX}NAME"])
    for name in (*mapping.columns, *mapping.constants):
        if not known.knows(name):
            yield f"{name}: no such field; the fields are {fields}"


def _doubled(mapping: EventMapping) -> Iterator[str]:
    for name in mapping.columns:
        if name in mapping.constants:
            yield f"{name}: given both by a column and by a constant"
    if mapping.id_from is not None and ("event_id" in mapping.columns or "event_id" in mapping.constants):
        yield "event_id: given both by a mapping and by the column of ids"


def _absent(mapping: EventMapping, columns: Sequence[str]) -> Iterator[str]:
    there = ", ".join(map(repr, columns))
    for name in _NEEDED:
        if name not in mapping.columns and name not in mapping.constants:
            yield f"{name}: neither a column nor a constant gives it; the columns are {there}"
    named = [*mapping.columns.items(), *([("the id", mapping.id_from)] if mapping.id_from is not None else [])]
    for name, column in named:
        if column not in columns:
            yield f"{name}: no column {column!r}; the columns are {there}"
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
        UsageEvent.model_validate({**_STAND_IN, **as_fields(constants)})
    except ValidationError as error:
        faults.extend(reasons(error))
    if faults:
        raise InvalidMapping("\n".join(f"the constant {fault}" for fault in faults))
    return constants
