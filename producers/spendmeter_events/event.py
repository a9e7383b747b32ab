"""The event contract: one `UsageEvent` per model call of any kind.

Unknown fields are rejected, so that no prompt or response is stored in the usage log by accident.
Buckets are disjoint: no token is in two of them, so the cost is a plain sum over buckets.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from spendmeter_events._uuid7 import uuid7

SCHEMA_VERSION: Final = 1
MAX_EVENT_BYTES: Final = 64 * 1024
"""Size limit of an encoded event. The largest valid event, with every string at its limit, is smaller."""
MAX_COUNT: Final = 2**40
MAX_TAGS: Final = 16
SYSTEM_USER: Final = "system"
"""User id of calls without a user (schedulers, command lines, guards)."""

ACTIONS: Final = (
    "user_interaction",
    "guardrail_check",
    "title_generation",
    "rag_query_embedding",
    "document_indexing",
)
"""Actions with a name on the boards. The set is open: other identifiers are stored unchanged."""

# No control characters: identifiers appear in CSV files, log lines and terminals.
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=_PRINTABLE)]
OptionalIdentifier = Annotated[str, StringConstraints(max_length=128, pattern=_PRINTABLE)]
Label = Annotated[str, StringConstraints(max_length=64, pattern=_PRINTABLE)]
TagValue = Annotated[str, StringConstraints(max_length=256, pattern=_PRINTABLE)]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Milliseconds = Annotated[int, Field(ge=0, le=2**31 - 1)]


def _truncate(text: object) -> object:
    return text[:500] if isinstance(text, str) else text


def _to_millisecond(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)


ErrorMessage = Annotated[str, BeforeValidator(_truncate), StringConstraints(max_length=500)]


def _within_utc_calendar(moment: datetime) -> datetime:
    """Reject a time in the year 0 or 10000 in UTC, such as 9999-12-31T23:59:59-23:00: it cannot be converted."""
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999 of UTC") from None
    return moment


Moment = Annotated[
    AwareDatetime,
    AfterValidator(_within_utc_calendar),
    PlainSerializer(lambda moment: _to_millisecond(moment).isoformat(timespec="milliseconds"), when_used="json"),
]


class UsageEvent(BaseModel):
    """Usage of one call. Counts are integers; `audio_seconds` has millisecond precision; times are UTC.

    `event_id` and `occurred_at` have no default: a record without them is rejected, instead of receiving a new id each
    time it is read. Producers set both with `UsageEvent.now(...)`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    # identity
    schema_version: Literal[1] = SCHEMA_VERSION
    event_id: UUID
    occurred_at: Moment
    # who
    org_id: Identifier
    user_id: Identifier | None = None
    # what
    feature: Identifier
    action: Identifier = "user_interaction"
    agent_id: OptionalIdentifier = ""
    task_id: OptionalIdentifier = ""
    configuration_id: OptionalIdentifier = ""
    conversation_id: OptionalIdentifier = ""
    request_id: OptionalIdentifier = ""
    service: Label = "chat"
    provider: Identifier
    model: Identifier
    key_source: Literal["platform", "byok"] = "platform"
    # usage, in disjoint buckets
    input_tokens: Count = 0
    """Uncached input text tokens. Images and video without a separate count are part of it."""
    cache_read_tokens: Count = 0
    cache_write_5m_tokens: Count = 0
    cache_write_1h_tokens: Count = 0
    output_tokens: Count = 0
    """Output text tokens, including reasoning."""
    input_audio_tokens: Count = 0
    cache_read_audio_tokens: Count = 0
    output_audio_tokens: Count = 0
    input_image_tokens: Count = 0
    cache_read_image_tokens: Count = 0
    output_image_tokens: Count = 0
    characters: Count = 0
    audio_seconds: Annotated[float, Field(ge=0, le=MAX_COUNT, allow_inf_nan=False)] = 0.0
    images: Count = 0
    video_seconds: Count = 0
    tool_calls: Count = 0
    # informational: part of `output_tokens`, never priced by itself
    reasoning_tokens: Count = 0
    # price context
    service_tier: Label = "standard"
    """Tier that served the call; it may differ from the requested one."""
    region: Label = ""
    provider_cost_usd: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None
    """Cost reported by the provider, stored next to our estimate."""
    # outcome
    status: Literal["ok", "error", "cancelled"] = "ok"
    error_type: Label = ""
    error_message: ErrorMessage = ""
    latency_ms: Milliseconds | None = None
    ttft_ms: Milliseconds | None = None
    streamed: bool = False
    tags: dict[Label, TagValue] = Field(default_factory=dict, max_length=MAX_TAGS)

    @classmethod
    def now(cls, **fields: Any) -> Self:
        """Return an event with the current time and a new id. Raises `pydantic.ValidationError` like the class."""
        return cls(event_id=uuid7(), occurred_at=_to_millisecond(datetime.now(UTC)), **fields)

    @property
    def key(self) -> bytes:
        """Kafka key. It spreads events evenly, and a retry goes to the partition of the first copy."""
        return self.event_id.bytes

    def to_json(self) -> bytes:
        """Return the Kafka value. Fields with default values are omitted to save space."""
        return self.model_dump_json(exclude_defaults=True).encode()


# pydantic initializes some state at the first event, behind locks. A process forked meanwhile by another thread would
# inherit a locked lock and block forever at its first event.
UsageEvent.now(org_id="-", feature="-", provider="-", model="-", provider_cost_usd=0.0, tags={"-": "-"}).to_json()
