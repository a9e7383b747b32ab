"""Every record is an event or a rejection with a reason, and no record affects its neighbour."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spendmeter_stream.ingest.validate import Validated, validate
from tests.support.records import FakeRecord, event, event_fields, record

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def check(*records: FakeRecord) -> Validated:
    return validate(records, now=NOW, max_future=timedelta(hours=1))


def numbers(result: Validated) -> list[int]:
    return [int.from_bytes(key) for key in result.events.keys]


def with_value(value: bytes | None) -> FakeRecord:
    return replace(record(1), value=value)


BAD: dict[str, tuple[FakeRecord, str, str]] = {
    "empty": (with_value(None), "empty", "no value"),
    "zero bytes": (with_value(b""), "empty", "no value"),
    "not JSON": (with_value(b"{not json}"), "not_json", "Invalid JSON"),
    "half a message": (with_value(record(1).value[:50]), "not_json", "Invalid JSON"),  # type: ignore[index]
    "a list": (with_value(b"[1]"), "batch", "split the array"),
    "wrong UTF-8": (with_value(record(1).value.replace(b"school-1", b"\xff\xfe")), "not_json", "unicode"),  # type: ignore[union-attr]
    "lone surrogate": (with_value(record(1).value.replace(b"school-1", b"\\ud800")), "not_json", "hex escape"),  # type: ignore[union-attr]
    "2 MB": (with_value(b"{" + b"x" * 2**21 + b"}"), "too_large", "2097154 bytes; the limit is 65536"),
    "unknown field": (record(1, prompt="tell me"), "unknown_field", "'prompt' is not a field"),
    "missing field": (with_value(b'{"org_id":"a"}'), "missing_field", "'event_id' is required (and"),
    "negative count": (record(1, input_tokens=-1), "invalid_field", "input_tokens: Input should be greater"),
    "count too high": (record(1, images=2**40 + 1), "invalid_field", "images: Input should be less"),
    "fractional count": (record(1, input_tokens=1.5), "invalid_field", "input_tokens: not a whole number"),
    "count in words": (record(1, input_tokens="7k"), "invalid_field", "input_tokens: not a whole number"),
    "not a number": (record(1, audio_seconds=float("nan")), "not_json", "NaN"),
    "no zone": (record(1, occurred_at="2026-11-02T10:00:00"), "invalid_field", "occurred_at: has no UTC offset"),
    "minutes since 1970": (record(1, occurred_at=29883333), "invalid_field", "occurred_at: not an ISO 8601"),
    "1970": (record(1, occurred_at="1970-01-01T00:00:01Z"), "occurred_at_out_of_range", "between 2020-01-01"),
    "tomorrow": (record(1, occurred_at="2026-11-23T00:00:00Z"), "occurred_at_out_of_range", "2026-11-22T01:00"),
    "no such day": (record(1, occurred_at="2026-02-30T00:00:00Z"), "invalid_field", "occurred_at"),
    "id too long": (record(1, org_id="x" * 129), "invalid_field", "org_id: String should have at most 128"),
    "control character": (record(1, org_id="a\u0000b"), "invalid_field", "org_id: String should match"),
    "17 tags": (record(1, tags={str(n): "" for n in range(17)}), "invalid_field", "tags: Dictionary should have"),
    "schema version 2": (record(1, schema_version=2), "invalid_field", "schema_version: Input should be 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_has_a_reason_and_its_neighbours_count(name: str) -> None:
    bad, code, message = BAD[name]
    result = check(record(2, offset=0), bad, record(3, offset=2))
    assert numbers(result) == [2, 3]
    assert result.events.offsets == [0, 2]
    (rejected,) = result.rejected
    assert (rejected.offset, rejected.code) == (1, code)
    assert message in rejected.message
    assert "\n" not in rejected.message
    assert len(rejected.message) < 400


def test_no_reason_quotes_the_record() -> None:
    secret = "sk-very-secret"
    for field in event_fields():
        bad = with_value(json.dumps(event_fields(1, **{field: {"nested": secret}})).encode())
        assert secret not in check(bad).rejected[0].message


def test_good_records_are_events_in_their_order() -> None:
    result = check(*(record(n) for n in range(1, 2001)))
    assert numbers(result) == list(range(1, 2001))
    assert result.rejected == []


def joined(first: FakeRecord, second: FakeRecord) -> bytes:
    return (first.value or b"") + b"," + (second.value or b"")


@pytest.mark.parametrize(
    "values",
    [
        # two events in one record, and a neighbour that would make the number right
        [joined(record(1), record(2)), b"{}"],
        [joined(record(1), record(2)), b""],
        # a string that would swallow the boundary, in both directions
        [b'{"org_id":"a}', b'{b"}'],
        [joined(record(1), record(2)), b'{"org_id":"a}', b'{b"}'],
        # a list that would
        [b'{"x":[{}', b"{}]}", joined(record(1), record(2))],
    ],
)
def test_no_record_hides_in_its_neighbour(values: list[bytes]) -> None:
    records = [replace(record(1), offset=n, value=value) for n, value in enumerate(values)]
    result = check(*records)
    assert len(result.events) == 0
    assert [rejected.offset for rejected in result.rejected] == list(range(len(values)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from(sorted(event_fields())), JSON, max_size=2),
    cut=st.integers(0, 400),
    noise=st.binary(max_size=4),
)
def test_one_by_one_and_all_at_once_agree(changes: dict[str, Any], cut: int, noise: bytes) -> None:
    """Every record is validated the same alone and among others, and never raises."""
    value = json.dumps({**event_fields(1), **changes}).encode()
    odd = replace(record(1), offset=5, value=value[:cut] + noise + value[cut:])
    alone, among = check(odd), check(record(7, offset=4), odd, record(8, offset=6))
    assert among.rejected == alone.rejected
    odd_ones = [row for row, offset in enumerate(among.events.offsets) if offset == 5]
    assert [among.events.fields[row] for row in odd_ones] == alone.events.fields
    assert len(among.events) + len(among.rejected) == 3


@pytest.mark.parametrize(
    "write",
    [
        lambda _: None,
        lambda _: b"",
        lambda key: str(key).encode(),
        lambda key: key.hex.encode().upper(),
        lambda _: b"school-1",
        lambda _: b"a-school-of-16-c",
        lambda _: b"\xff" * 36,
    ],
)
def test_any_other_key_is_replaced_by_the_id(write: Callable[[UUID], bytes | None]) -> None:
    records = [replace(record(number), key=write(event(number).event_id)) for number in (1, 2)]
    result = validate([*records, record(3)], now=NOW, max_future=timedelta(hours=1))
    assert result.rejected == []
    assert result.events.keys == [UUID(int=number).bytes for number in (1, 2, 3)]
