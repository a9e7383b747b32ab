"""The quick reader of events: accepts a part of what the contract accepts, and gives the same values.

`UsageEvent` is the contract, and pydantic its judge. Most records of a healthy topic are plainly good, and msgspec
reads those in a third of pydantic's time. Whatever it refuses here, `validate` shows to pydantic, which decides.
A test holds the two together, field by field and on random records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta, Struct

from spendmeter_events.event import MAX_COUNT, MAX_EVENT_BYTES, MAX_TAGS, UsageEvent

Int64 = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

_Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
_OptionalIdentifier = Annotated[str, Meta(max_length=128)]
_Label = Annotated[str, Meta(max_length=64)]
_Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
_Milliseconds = Annotated[int, Meta(ge=0, le=2**31 - 1)]

_MOMENT: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$"
"""No more than six decimals: of more, pydantic cuts the rest off and others round it, perhaps into the next day."""
_YEARS: Final = (-62_135_596_800_000_000, 253_402_300_800_000_000)
"""Unix µs of the years 1 and 10000."""
_HYPHENS: Final = [8, 13, 18, 23]
_DIGITS: Final = [place for place in range(36) if place not in _HYPHENS]
_HEX: Final = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint8).reshape(256, 2)


class WireEvent(Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The fields of `UsageEvent` with its defaults and limits; the id and the moment still as they were written."""

    schema_version: Literal[1] = 1
    event_id: Annotated[str, Meta(min_length=36, max_length=36)]
    occurred_at: str
    org_id: _Identifier
    user_id: _Identifier | None = None
    feature: _Identifier
    action: _Identifier = "user_interaction"
    agent_id: _OptionalIdentifier = ""
    task_id: _OptionalIdentifier = ""
    configuration_id: _OptionalIdentifier = ""
    conversation_id: _OptionalIdentifier = ""
    request_id: _OptionalIdentifier = ""
    service: _Label = "chat"
    provider: _Identifier
    model: _Identifier
    key_source: Literal["platform", "byok"] = "platform"
    input_tokens: _Count = 0
    cache_read_tokens: _Count = 0
    cache_write_5m_tokens: _Count = 0
    cache_write_1h_tokens: _Count = 0
    output_tokens: _Count = 0
    input_audio_tokens: _Count = 0
    output_audio_tokens: _Count = 0
    characters: _Count = 0
    audio_seconds: Annotated[float, Meta(ge=0, le=MAX_COUNT)] = 0.0
    images: _Count = 0
    tool_calls: _Count = 0
    reasoning_tokens: _Count = 0
    service_tier: _Label = "standard"
    region: _Label = ""
    provider_cost_usd: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    status: Literal["ok", "error", "cancelled"] = "ok"
    error_type: _Label = ""
    error_message: Annotated[str, Meta(max_length=500)] = ""
    latency_ms: _Milliseconds | None = None
    ttft_ms: _Milliseconds | None = None
    streamed: bool = False
    tags: Annotated[dict[_Label, Annotated[str, Meta(max_length=256)]], Meta(max_length=MAX_TAGS)] = {}

    @classmethod
    def of(cls, event: UsageEvent) -> Self:
        """The same event."""
        fields = {name: getattr(event, name) for name in cls.__struct_fields__}
        return cls(
            **{
                **fields,
                "event_id": str(event.event_id),
                "occurred_at": event.occurred_at.isoformat(timespec="milliseconds"),
            }
        )


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one partition, in the order of their offsets, as columns of equal length.

    `keys` are the 16 bytes of each `event_id`; `occurred_at_ms` is Unix time in whole ms, UTC.
    """

    fields: list[WireEvent]
    keys: list[bytes]
    occurred_at_ms: Int64
    offsets: list[int]

    def __len__(self) -> int:
        return len(self.fields)

    def take(self, rows: list[int]) -> Events:
        """Those of `rows`, in that order."""
        if len(rows) == len(self):
            return self
        return Events(
            [self.fields[row] for row in rows],
            [self.keys[row] for row in rows],
            self.occurred_at_ms[rows],
            [self.offsets[row] for row in rows],
        )

    @classmethod
    def of(cls, events: Sequence[UsageEvent], offsets: Sequence[int] | None = None) -> Events:
        """Events that went through the contract; their offsets count from 0 unless given."""
        moments = [event.occurred_at for event in events]
        occurred_at = pa.array(moments, pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        keys = [event.event_id.bytes for event in events]
        given = list(range(len(events)) if offsets is None else offsets)
        return cls([WireEvent.of(event) for event in events], keys, occurred_at // 1000, given)


_decode = msgspec.json.Decoder(WireEvent).decode


def read(key: bytes | None, value: bytes | None) -> WireEvent | None:
    """The event of one record where it is plainly one, else None.

    Identifiers have no control characters: in JSON those need a backslash, but for DEL, so where there is neither,
    there are none. Escapes of every other kind go the long way with them.
    """
    if not value or key is None or len(key) != 16 or len(value) > MAX_EVENT_BYTES or b"\\" in value or b"\x7f" in value:
        return None
    try:
        return _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def keys_match_ids(events: list[WireEvent], keys: list[bytes]) -> Bools:
    """For each event, whether its id is the key's 16 bytes in the usual form with small letters."""
    written = "".join(event.event_id for event in events).encode("ascii", "replace")
    texts = np.frombuffer(written, np.uint8).reshape(-1, 36)
    expected = np.full((len(keys), 36), ord("-"), np.uint8)
    expected[:, _DIGITS] = _HEX[np.frombuffer(b"".join(keys), np.uint8)].reshape(-1, 32)
    same: Bools = (texts == expected).all(axis=1)
    return same


def moments(events: list[WireEvent]) -> tuple[Int64, Bools]:
    """Unix ms of each `occurred_at`, and whether it could be read; where not, the ms mean nothing."""
    texts = pa.array([event.occurred_at for event in events], pa.string())
    plain = pc.match_substring_regex(texts, _MOMENT)
    kept = pc.if_else(plain, texts, pa.scalar(None, pa.string()))
    try:
        occurred_at = kept.cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        # One of them is no moment of the calendar. Which one, the long way finds out.
        return np.zeros(len(events), np.int64), np.zeros(len(events), np.bool_)
    microseconds: Int64 = occurred_at.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    # An offset may lead out of the years 1 to 9999, where the contract ends.
    in_calendar = (microseconds >= _YEARS[0]) & (microseconds < _YEARS[1])
    return microseconds // 1000, plain.to_numpy(zero_copy_only=False) & in_calendar
