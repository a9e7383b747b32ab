"""Kafka records for tests, as a producer builds them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from spendmeter_events import UsageEvent
from spendmeter_events.topics import USAGE


@dataclass(frozen=True)
class FakeRecord:
    """The attributes of aiokafka's `ConsumerRecord` that the worker reads."""

    offset: int
    key: bytes | None
    value: bytes | None
    partition: int = 0
    timestamp: int = 0
    headers: Sequence[tuple[str, bytes | None]] = field(default_factory=tuple)
    topic: str = USAGE


def event_fields(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a valid event as plain JSON values; `number` determines its id and its minute."""
    return {
        "event_id": str(UUID(int=number)),
        "occurred_at": f"2026-11-02T10:{number % 60:02}:00.000Z",
        "org_id": "school-1",
        "user_id": "user-1",
        "feature": "chat",
        "provider": "openai",
        "model": "gpt-4o",
        "input_tokens": 1000,
        "output_tokens": 100,
        **changes,
    }


def event(number: int = 1, **changes: Any) -> UsageEvent:
    """Return a valid event."""
    return UsageEvent.model_validate_json(json.dumps(event_fields(number, **changes)))


def record(number: int = 1, *, offset: int | None = None, **changes: Any) -> FakeRecord:
    """Return a record of `event(number)` at `offset` (default `number`)."""
    fields = event_fields(number, **changes)
    return FakeRecord(
        offset=number if offset is None else offset,
        key=UUID(fields["event_id"]).bytes,
        value=json.dumps(fields).encode(),
    )
