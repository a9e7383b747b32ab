"""Records as services in other languages write them: each is the intended event, or refused with a clear reason."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from spendmeter_events import UsageEvent
from spendmeter_events.normalize.ids import event_id_of
from spendmeter_events.normalize.record import InvalidRecord, event_of, read_record
from tests.support.records import event, event_fields

_AT = datetime(2026, 11, 2, 10, 1, tzinfo=UTC)
_MS = round(_AT.timestamp() * 1000)
_CLOUD = {"specversion": "1.0", "id": "call-7", "source": "/tutor", "type": "llm.call", "time": "2026-11-02T10:01:00Z"}


def read(content: Any, **options: Any) -> UsageEvent:
    return read_record(json.dumps(content).encode(), **options)


SAME: dict[str, dict[str, Any]] = {
    "number as text": {"input_tokens": "1000"},
    "whole number with a fraction of zero": {"input_tokens": 1000.0, "output_tokens": "100.0"},
    "null in optional fields": {"region": None, "latency_ms": None, "tags": None, "schema_version": None},
    "empty text in optional fields": {"key_source": "", "status": "", "action": ""},
    "Unix time in seconds": {"occurred_at": _MS // 1000},
    "Unix time in seconds with a fraction": {"occurred_at": _MS / 1000},
    "Unix time in milliseconds": {"occurred_at": _MS},
    "Unix time in milliseconds as text": {"occurred_at": str(_MS)},
    "Unix time in nanoseconds": {"occurred_at": _MS * 10**6},
    "time with a space": {"occurred_at": "2026-11-02 15:31:00+05:30"},
    "boolean as text": {"streamed": "false"},
    "version as text": {"schema_version": "1"},
    "id without hyphens": {"event_id": UUID(int=1).hex.upper()},
}


@pytest.mark.parametrize("name", SAME)
def test_a_harmless_difference_is_the_same_event(name: str) -> None:
    assert read({**event_fields(1), **SAME[name]}) == event(1)


def test_numbers_are_ids_and_tags_may_be_numbers() -> None:
    found = read(event_fields(1, user_id=42, tags={"lesson": 7, "trial": True, "group": None}))
    assert (found.user_id, found.tags) == ("42", {"lesson": "7", "trial": "true"})


def test_an_empty_user_is_no_user() -> None:
    assert read(event_fields(1, user_id="")).user_id is None


def test_an_own_id_gives_the_same_uuid_each_time_and_another_one_in_each_org() -> None:
    first, again = (read(event_fields(event_id="order 17/3")) for _ in range(2))
    assert first.event_id == again.event_id == event_id_of("order 17/3", org_id="school-1")
    assert first.event_id == UUID("aa4c3a3d-238d-5df9-9354-1b4d9ea30da2"), (
        "a retry after an upgrade would be counted twice"
    )
    assert read(event_fields(event_id="order 17/3", org_id="school-2")).event_id != first.event_id
    assert read(event_fields(event_id=17)).event_id == read(event_fields(event_id="17")).event_id


def test_a_sender_of_one_org_cannot_occupy_a_derived_id_of_another() -> None:
    other = event_id_of("call-7", org_id="school-2")
    for text in (str(other), other.hex.upper(), f"{{{other}}}"):
        found = event_of(event_fields(event_id=text), org_id="school-1")
        assert found.event_id == event_id_of(str(other), org_id="school-1", bound=True) != other, text
        assert event_of(event_fields(event_id=text)).event_id == other, "any other sender may write every org"
    own = UUID("0199aaaa-bbbb-7ccc-8ddd-eeeeffff0000")
    assert event_of(event_fields(event_id=str(own)), org_id="school-1").event_id == own


def test_a_cloud_event_is_its_data() -> None:
    assert read({**_CLOUD, "data": event_fields(1)}) == event(1)
    encoded = base64.b64encode(json.dumps(event_fields(1)).encode()).decode()
    assert read({**_CLOUD, "data_base64": encoded}) == event(1)


def test_id_and_time_of_a_cloud_event_apply_where_the_data_has_none() -> None:
    data = {name: value for name, value in event_fields(1).items() if name not in ("event_id", "occurred_at")}
    found = read({**_CLOUD, "data": data})
    assert found.occurred_at == _AT
    assert found.event_id == event_id_of("call-7", org_id="school-1", source="/tutor")
    assert read({**_CLOUD, "source": "/other", "data": data}).event_id != found.event_id


def test_a_time_without_offset_needs_a_declared_zone() -> None:
    fields = event_fields(1, occurred_at="2026-11-02T15:31:00")
    assert read(fields, zone=ZoneInfo("Asia/Kolkata")) == event(1)
    with pytest.raises(InvalidRecord, match=r"^occurred_at: has no UTC offset; append Z or an offset such as \+05:30$"):
        read(fields)


REFUSED: dict[str, tuple[Any, str, str, str]] = {
    "several events": ([event_fields(1), event_fields(2)], "batch", "", "split the array"),
    "one event in an array": ([event_fields(1)], "batch", "", "split the array"),
    "an extra field": (event_fields(1, prompt="hi"), "unknown_field", "prompt", "put attributes of your own into tags"),
    "a misspelt field": (event_fields(1, input_token=7), "unknown_field", "input_token", "did you mean input_tokens?"),
    "an inclusive count": (event_fields(1, prompt_tokens=7), "unknown_field", "prompt_tokens", "without cached tokens"),
    "half a token": (event_fields(1, input_tokens="0.5"), "invalid_field", "input_tokens", "not a whole number"),
    "a thousands separator": (event_fields(1, input_tokens="1,000"), "invalid_field", "input_tokens", "not a whole"),
    "a cost in words": (event_fields(1, provider_cost_usd="$1"), "invalid_field", "provider_cost_usd", "not a number"),
    "an unknown field with a long name": (event_fields(1, **{"x" * 99: 1}), "unknown_field", "x" * 40, "not a field"),
    "no org": (event_fields(1, org_id=None), "missing_field", "org_id", "'org_id' is required"),
    "no org beside an own id": (event_fields(event_id="call-1", org_id=""), "missing_field", "org_id", "required"),
    "a long org beside an own id": (event_fields(event_id="1", org_id="x" * 129), "invalid_field", "org_id", "at most"),
    "no org and no model": (
        event_fields(event_id="call-1", org_id=None, model=None),
        "missing_field",
        "org_id",
        "'org_id' is required (and 1 more)",
    ),
    "no id": (event_fields(1, event_id=None), "missing_field", "event_id", "required"),
    "no model": (event_fields(1, model=""), "missing_field", "model", "required"),
    "a date": (event_fields(1, occurred_at="yesterday"), "invalid_field", "occurred_at", "not an ISO 8601"),
    "true as a count": (event_fields(1, images=True), "invalid_field", "images", "not a whole number"),
    "a list as a tag": (event_fields(1, tags={"a": []}), "invalid_field", "tags", "neither text nor a number"),
    "a huge number": (event_fields(1, user_id=10**400), "invalid_field", "user_id", "not text"),
    "a huge duration": (event_fields(1, audio_seconds=10**400), "invalid_field", "audio_seconds", "not a number"),
    "a long id": (event_fields(1, event_id="x" * 513), "invalid_field", "event_id", "longer than 512"),
    "CloudEvents 0.3": ({**_CLOUD, "specversion": "0.3"}, "invalid_field", "specversion", "1.0 is expected"),
    "no source": ({**_CLOUD, "source": ""}, "missing_field", "source", "required in a CloudEvents envelope"),
    "no data": (_CLOUD, "invalid_field", "data", "not a JSON object"),
    "damaged data": ({**_CLOUD, "data_base64": "e30"}, "invalid_field", "data_base64", "not JSON in base64"),
    "a number": (7, "invalid_field", "", "not a JSON object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_values_that_would_change_the_cost_are_refused_by_field(name: str) -> None:
    content, code, field, text = REFUSED[name]
    with pytest.raises(InvalidRecord) as refusal:
        read(content)
    assert (refusal.value.code, refusal.value.field) == (code, field)
    assert text in refusal.value.message
