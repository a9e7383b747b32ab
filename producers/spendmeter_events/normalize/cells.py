"""Convert a cell (text or a JSON value) to the value of an event field, without rounding or guessing."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from uuid import UUID

from spendmeter_events.usage_units import REASONING, WHOLE_UNITS

Convert = Callable[[Any], object]

_WHOLE = re.compile(r"-?[0-9]{1,19}(?:\.0{1,19})?")
_DECIMAL = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,19})?(?:[eE][+-]?[0-9]{1,3})?")
_UNIX_TIME = re.compile(r"[0-9]{10}(?:\.[0-9]{1,9})?|[0-9]{13}(?:\.0)?|[0-9]{16}|[0-9]{19}")
_LARGEST: Final = 10**300
"""Larger integers do not fit into a float."""
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CellError(ValueError):
    """The cell is invalid for its field. The message never contains the cell."""


def text(cell: Any) -> str:
    """Return text without surrounding white space. JSON integers are accepted: user ids are often numbers."""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    raise CellError("not text")


def whole(cell: Any) -> int:
    """Return an integer. Accepts `12`, and `12.0` as spreadsheets write it; not `12.5`, `1e3`, `1,000` or `true`."""
    if isinstance(cell, str):
        cell = cell.strip()
        if cell.isdecimal() and cell.isascii() and len(cell) < 20:
            return int(cell)
        if _WHOLE.fullmatch(cell):
            return int(cell.partition(".")[0])
    if isinstance(cell, int) and not isinstance(cell, bool):
        return cell
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    raise CellError("not a whole number")


def decimal(cell: Any) -> float:
    """Return a number: digits, optionally a decimal point and an exponent; not `nan`, `inf` or a decimal comma."""
    if isinstance(cell, float) or (isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) < _LARGEST):
        return float(cell)
    if isinstance(cell, str) and _DECIMAL.fullmatch(cell := cell.strip()):
        return float(cell)
    raise CellError("not a number")


def flag(cell: Any) -> bool:
    """Return a boolean. Accepts `true` and `false` in any case, `1` and `0`."""
    if isinstance(cell, bool):
        return cell
    known = _FLAGS.get(str(cell).strip().lower()) if isinstance(cell, str | int) else None
    if known is None:
        raise CellError("neither true nor false")
    return known


def identity(cell: Any) -> UUID:
    """Return a UUID, from any of its usual text forms."""
    try:
        return UUID(text(cell))
    except ValueError as error:
        raise CellError("not a UUID") from error


def time_in(zone: tzinfo | None) -> Convert:
    """Return a converter of times to UTC, truncated to milliseconds.

    It accepts ISO 8601 with any number of digits, and Unix time in seconds (10 digits, optionally a fraction),
    milliseconds (13 digits), microseconds (16) or nanoseconds (19). A time without an offset is in `zone`, or invalid
    if that is None; an ambiguous time, when clocks are set back, is the first of the two.
    """

    def convert(cell: Any) -> datetime:
        value = cell.strip() if isinstance(cell, str) else str(cell)
        try:
            if value[4:5] != "-":
                return _from_unix(value)
            when = datetime.fromisoformat(value)
            microsecond = when.microsecond // 1000 * 1000
            if when.tzinfo is None and zone is None:
                raise CellError("has no UTC offset; append Z or an offset such as +05:30")
            if when.tzinfo is None:
                when = when.replace(tzinfo=zone, microsecond=microsecond)
            elif when.microsecond != microsecond:
                when = when.replace(microsecond=microsecond)
            return when.astimezone(UTC)
        except CellError:
            raise
        except (ValueError, OverflowError) as error:
            raise CellError("not an ISO 8601 or Unix time") from error

    return convert


def _from_unix(value: str) -> datetime:
    if not _UNIX_TIME.fullmatch(value):
        raise ValueError
    seconds, _, fraction = value.partition(".")
    if len(seconds) > 10:
        # 13, 16 or 19 digits: the first 13 are milliseconds.
        return _EPOCH + timedelta(milliseconds=int(seconds[:13]))
    return _EPOCH + timedelta(seconds=int(seconds), milliseconds=int(f"{fraction:0<3.3}"))


def converters(zone: tzinfo | None, *, text: Convert = text) -> dict[str, Convert]:
    """Return field name → converter, for every field that a file may provide. `text` converts text fields."""
    texts = (
        "org_id user_id feature action agent_id task_id configuration_id conversation_id request_id service "
        "provider model key_source service_tier region status error_type error_message"
    )
    return {
        "event_id": identity,
        "occurred_at": time_in(zone),
        **dict.fromkeys(texts.split(), text),
        **dict.fromkeys((*WHOLE_UNITS, REASONING, "latency_ms", "ttft_ms"), whole),
        **dict.fromkeys(("audio_seconds", "provider_cost_usd"), decimal),
        "streamed": flag,
    }
