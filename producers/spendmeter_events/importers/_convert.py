"""One cell, text or a JSON value, to the value of one event field. Nothing is rounded, nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from uuid import UUID

Convert = Callable[[Any], object]

_WHOLE = re.compile(r"-?[0-9]{1,19}(?:\.0{1,19})?")
_DECIMAL = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,19})?(?:[eE][+-]?[0-9]{1,3})?")
_UNIX_TIME = re.compile(r"[0-9]{10}(?:\.[0-9]{1,9})?|[0-9]{13}")
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CellError(ValueError):
    """The cell is not what its field takes. The message never repeats the cell."""


def text(cell: Any) -> str:
    """Without surrounding white space. A JSON whole number gives its digits: users often have numbers."""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    raise CellError("not text")


def whole(cell: Any) -> int:
    """`12`, and `12.0` as spreadsheets and data frames write it; never `12.5`, `1e3`, `1,000` or `true`."""
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
    """Digits with a decimal point, an exponent if need be; never `nan`, `inf` or a decimal comma."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return float(cell)
    if isinstance(cell, str) and _DECIMAL.fullmatch(cell := cell.strip()):
        return float(cell)
    raise CellError("not a number")


def flag(cell: Any) -> bool:
    """`true` or `false` in any case, `1` or `0`."""
    if isinstance(cell, bool):
        return cell
    known = _FLAGS.get(str(cell).strip().lower()) if isinstance(cell, str | int) else None
    if known is None:
        raise CellError("neither true nor false")
    return known


def identity(cell: Any) -> UUID:
    """A UUID in its usual text forms."""
    try:
        return UUID(text(cell))
    except ValueError as error:
        raise CellError("not a UUID") from error


def moment_in(zone: tzinfo) -> Convert:
    """A converter of times to UTC, cut to the millisecond.

    It takes ISO 8601 with any number of digits, and Unix time in seconds (10 digits, a fraction if need be)
    or milliseconds (13 digits). A time without offset is in `zone`; where that means two moments, because
    clocks were set back, it is the first.
    """

    def moment(cell: Any) -> datetime:
        written = cell.strip() if isinstance(cell, str) else str(cell)
        try:
            if written[4:5] != "-":
                return _from_unix(written)
            when = datetime.fromisoformat(written)
            cut = when.microsecond // 1000 * 1000
            if when.tzinfo is None:
                when = when.replace(tzinfo=zone, microsecond=cut)
            elif when.microsecond != cut:
                when = when.replace(microsecond=cut)
            return when.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise CellError("not an ISO 8601 or Unix time") from error

    return moment


def _from_unix(written: str) -> datetime:
    if not _UNIX_TIME.fullmatch(written):
        raise ValueError
    if len(written) == 13 and "." not in written:
        return _EPOCH + timedelta(milliseconds=int(written))
    seconds, _, fraction = written.partition(".")
    return _EPOCH + timedelta(seconds=int(seconds), milliseconds=int(f"{fraction:0<3.3}"))


def converters(zone: tzinfo) -> dict[str, Convert]:
    """Field name → its converter, for every field a file may give."""
    texts = (
        "org_id user_id feature action agent_id task_id configuration_id conversation_id request_id service "
        "provider model key_source service_tier region status error_type error_message"
    )
    wholes = (
        "input_tokens cache_read_tokens cache_write_5m_tokens cache_write_1h_tokens output_tokens "
        "input_audio_tokens output_audio_tokens characters images tool_calls reasoning_tokens "
        "latency_ms ttft_ms"
    )
    return {
        "event_id": identity,
        "occurred_at": moment_in(zone),
        **dict.fromkeys(texts.split(), text),
        **dict.fromkeys(wholes.split(), whole),
        **dict.fromkeys(("audio_seconds", "provider_cost_usd"), decimal),
        "streamed": flag,
    }
