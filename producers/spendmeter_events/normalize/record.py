"""Read one event as services write it: strict first, then with harmless differences normalized.

Accepted: numbers and booleans as text, `100.0`, numbers as ids, null or an empty text for an optional field, Unix
times, the emitter's own id, a CloudEvents 1.0 envelope. docs/sending.md lists every case. Nothing that changes a cost
is guessed: a fractional count, an unknown field or a time without an offset is refused.
"""

from __future__ import annotations

import base64
import binascii
import difflib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from spendmeter_events.errors import SpendmeterError
from spendmeter_events.event import UsageEvent
from spendmeter_events.normalize.cells import CellError, Convert, converters, time_in
from spendmeter_events.normalize.ids import MAX_ID, event_id_of

EARLIEST: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""Older than any priced model: an earlier time means a broken clock or a wrong unit."""
MAX_FUTURE: Final = timedelta(hours=1)
"""How far an event may be ahead of our clock, by default."""
_HINTS: Final = {
    "prompt_tokens": "send input_tokens (without cached tokens) and cache_read_tokens",
    "completion_tokens": "send output_tokens",
    "cached_tokens": "send cache_read_tokens, and input_tokens without them",
    "id": "send event_id",
    "timestamp": "send occurred_at",
    "user": "send user_id",
    "cost": "send provider_cost_usd",
}
_ABSENT: Final = (None, "")
_MOST_DIGITS: Final = 10**20
_BATCH: Final = "an array of events; a record contains one event: split the array, or send it to POST /v1/events"


class InvalidRecord(SpendmeterError, ValueError):
    """The record is not an event. `code` is that of a dead letter; neither text contains values of the record."""

    def __init__(self, code: str, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.field = field
        self.message = message


def read_record(value: bytes, *, zone: tzinfo | None = None) -> UsageEvent:
    """Return the event that `value` contains as JSON.

    :param zone: zone of times without an offset; None refuses them.
    :raises InvalidRecord: with the reason.
    """
    try:
        return UsageEvent.model_validate_json(value)
    except ValidationError as error:
        if error.errors(include_url=False, include_context=False, include_input=False)[0]["type"] == "json_invalid":
            raise _invalid(error) from None
    return event_of(_parsed(value), zone=zone)


def event_of(content: Any, *, zone: tzinfo | None = None, org_id: str = "") -> UsageEvent:
    """Return the event of a parsed JSON value. Parameters and errors as in `read_record`.

    :param org_id: the only org that the sender may write, for an event that names none; empty for any, and refuses it.
    """
    if isinstance(content, list):
        raise InvalidRecord("batch", _BATCH)
    if not isinstance(content, dict):
        raise InvalidRecord("invalid_field", "the event is not a JSON object")
    fields, source = unwrap(content) if "specversion" in content else (content, "")
    try:
        known = {"org_id": org_id, **fields} if org_id else fields
        return UsageEvent.model_validate(_normalized(known, source, zone, bound=bool(org_id)))
    except ValidationError as error:
        raise _invalid(error) from None


def check_time(event: UsageEvent, *, now: datetime) -> None:
    """Raise `InvalidRecord` for a time before 2020 or more than an hour ahead, which the worker would dead-letter."""
    latest = now + MAX_FUTURE
    if not EARLIEST <= event.occurred_at <= latest:
        message = f"occurred_at must lie between {EARLIEST:%Y-%m-%d} and {latest:%Y-%m-%dT%H:%M:%SZ}"
        raise InvalidRecord("occurred_at_out_of_range", message, field="occurred_at")


def unwrap(envelope: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the event in a CloudEvents 1.0 envelope, and the envelope's source.

    The envelope's `id` and `time` apply where the data has no `event_id` and `occurred_at`.

    :raises InvalidRecord: the envelope is invalid.
    """
    if envelope["specversion"] != "1.0":
        raise InvalidRecord("invalid_field", "specversion: CloudEvents 1.0 is expected", field="specversion")
    for name in ("id", "source", "type"):
        if not isinstance(envelope.get(name), str) or not envelope[name]:
            raise InvalidRecord("missing_field", f"{name!r} is required in a CloudEvents envelope", field=name)
    data = _data(envelope)
    if not isinstance(data, dict):
        raise InvalidRecord("invalid_field", "data: not a JSON object with the fields of one event", field="data")
    fields = dict(data)
    if fields.get("occurred_at") in _ABSENT:
        fields["occurred_at"] = envelope.get("time")
    if fields.get("event_id") not in _ABSENT:
        return fields, ""
    return {**fields, "event_id": envelope["id"]}, envelope["source"]


def _data(envelope: Mapping[str, Any]) -> Any:
    encoded = envelope.get("data_base64")
    if encoded is None:
        return envelope.get("data")
    if envelope.get("data") is not None:
        raise InvalidRecord("invalid_field", "data and data_base64 exclude each other", field="data_base64")
    try:
        return _parsed(base64.b64decode(encoded, validate=True))
    except (binascii.Error, TypeError, ValueError):
        raise InvalidRecord("invalid_field", "data_base64: not JSON in base64", field="data_base64") from None


def _parsed(value: bytes) -> Any:
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError:
        # NaN, infinity: JSON has neither.
        raise InvalidRecord("not_json", "not JSON: NaN and Infinity are not allowed") from None


def _normalized(fields: Mapping[str, Any], source: str, zone: tzinfo | None, *, bound: bool) -> dict[str, Any]:
    """Return the fields with the types of the contract. Absent, null and empty ones are left out.

    :raises InvalidRecord: a field is unknown, or its value cannot be converted without guessing.
    """
    values: dict[str, Any] = {}
    for name, value in fields.items():
        convert = _CONVERT.get(name)
        if convert is None:
            reason = f"{name[:40]!r} is not a field of schema version 1{_hint(name)}"
            raise InvalidRecord("unknown_field", reason, field=name[:40])
        if value in _ABSENT:
            continue
        try:
            values[name] = time_in(zone)(value) if name == "occurred_at" else convert(value)
        except CellError as error:
            raise InvalidRecord("invalid_field", f"{name}: {error}", field=name) from None
    if "event_id" in values:
        # Without an org, the event is refused for its org, not for an id that is valid.
        org_id = values.get("org_id", "")
        values["event_id"] = event_id_of(values["event_id"], org_id=org_id, source=source, bound=bound)
    return values


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST_DIGITS:
        return str(value)
    raise CellError("not text")


def _id(value: Any) -> str:
    text = _text(value)
    if len(text) > MAX_ID:
        raise CellError(f"longer than {MAX_ID} characters")
    return text


def _tags(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise CellError("not an object of texts")
    return {name: _tag(each) for name, each in value.items() if each is not None}


def _tag(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | float) or (isinstance(value, int) and abs(value) < _MOST_DIGITS):
        return str(value)
    raise CellError("a value is neither text nor a number")


def _converters() -> dict[str, Convert]:
    found = converters(None, text=_text)
    return {**found, "schema_version": found["input_tokens"], "event_id": _id, "tags": _tags}


_CONVERT: Final = _converters()


def _hint(name: str) -> str:
    if name in _HINTS:
        return f": {_HINTS[name]}"
    near = difflib.get_close_matches(name[:40], _CONVERT, n=1, cutoff=0.8)
    return f"; did you mean {near[0]}?" if near else "; put attributes of your own into tags"


def _invalid(error: ValidationError) -> InvalidRecord:
    """Return the first fault as one line. Field names are truncated: they may be content."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    first = faults[0]
    field = ".".join(str(part)[:40] for part in first["loc"])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    match first["type"]:
        case "json_invalid":
            return InvalidRecord("not_json", first["msg"][:200])
        case "missing":
            return InvalidRecord("missing_field", f"{field!r} is required{more}", field=field)
        case _:
            return InvalidRecord("invalid_field", f"{field or 'the event'}: {first['msg']}"[:300] + more, field=field)
