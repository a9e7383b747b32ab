"""Fast-path decoder (msgspec). Accepts a subset of what `UsageEvent` accepts, and returns the same values.

`UsageEvent` is the contract. msgspec decodes a record in a third of pydantic's time; records that it rejects fall back
to pydantic in `validate`, whose result is final. Tests compare both decoders field by field and on random records.
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

_TIMESTAMP: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$"
"""At most six decimals: pydantic truncates further digits, others round them, possibly into the next day."""
_YEARS: Final = (-62_135_596_800_000_000, 253_402_300_800_000_000)
"""Unix µs of the years 1 and 10000."""
_HYPHENS: Final = [8, 13, 18, 23]
_DIGITS: Final = [place for place in range(36) if place not in _HYPHENS]
_HEX: Final = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint8).reshape(256, 2)


class WireEvent(Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The fields of `UsageEvent` with its defaults and limits. The id and the timestamp are undecoded text."""

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
    cache_read_audio_tokens: _Count = 0
    output_audio_tokens: _Count = 0
    input_image_tokens: _Count = 0
    cache_read_image_tokens: _Count = 0
    output_image_tokens: _Count = 0
    characters: _Count = 0
    audio_seconds: Annotated[float, Meta(ge=0, le=MAX_COUNT)] = 0.0
    images: _Count = 0
    video_seconds: _Count = 0
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
        """Convert a validated event."""
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
    """Events of one partition in offset order, as columns of equal length.

    `keys` are the 16 bytes of each `event_id`; `occurred_at_ms` is Unix time in whole ms, UTC.
    """

    fields: list[WireEvent]
    keys: list[bytes]
    occurred_at_ms: Int64
    offsets: list[int]

    def __len__(self) -> int:
        return len(self.fields)

    def take(self, rows: list[int]) -> Events:
        """Return the events at `rows`, in that order."""
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
        """Convert validated events. Offsets count from 0 by default."""
        timestamps = [event.occurred_at for event in events]
        occurred_at = pa.array(timestamps, pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        keys = [event.event_id.bytes for event in events]
        numbers = list(range(len(events)) if offsets is None else offsets)
        return cls([WireEvent.of(event) for event in events], keys, occurred_at // 1000, numbers)


_decode = msgspec.json.Decoder(WireEvent).decode


def read(key: bytes | None, value: bytes | None) -> WireEvent | None:
    """Decode one record; None if it needs the slow path.

    Identifiers must not contain control characters. JSON escapes them with a backslash, except DEL, so a record
    with a backslash or DEL takes the slow path, whatever it escapes.
    """
    if not value or key is None or len(key) != 16 or len(value) > MAX_EVENT_BYTES or b"\\" in value or b"\x7f" in value:
        return None
    try:
        return _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def keys_match_ids(events: list[WireEvent], keys: list[bytes]) -> Bools:
    """Return for each event whether its id is the canonical lower-case form of the key's 16 bytes."""
    written = "".join(event.event_id for event in events).encode("ascii", "replace")
    texts = np.frombuffer(written, np.uint8).reshape(-1, 36)
    expected = np.full((len(keys), 36), ord("-"), np.uint8)
    expected[:, _DIGITS] = _HEX[np.frombuffer(b"".join(keys), np.uint8)].reshape(-1, 32)
    same: Bools = (texts == expected).all(axis=1)
    return same


def parse_timestamps(events: list[WireEvent]) -> tuple[Int64, Bools]:
    """Return each `occurred_at` in Unix ms, and whether it was parsed; if not, its ms are undefined."""
    texts = pa.array([event.occurred_at for event in events], pa.string())
    matches = pc.match_substring_regex(texts, _TIMESTAMP)
    parsable = pc.if_else(matches, texts, pa.scalar(None, pa.string()))
    try:
        occurred_at = parsable.cast(pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        # One is not a calendar date. The slow path finds out which.
        return np.zeros(len(events), np.int64), np.zeros(len(events), np.bool_)
    microseconds: Int64 = occurred_at.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    # A UTC offset may move the timestamp out of the years 1 to 9999, the range of the contract.
    in_calendar = (microseconds >= _YEARS[0]) & (microseconds < _YEARS[1])
    return microseconds // 1000, matches.to_numpy(zero_copy_only=False) & in_calendar
