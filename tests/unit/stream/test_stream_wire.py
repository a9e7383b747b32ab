"""The fast decoder accepts only what the contract accepts, and reads the same values."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from spendmeter_events import UsageEvent
from spendmeter_stream.ingest.decode import Events, WireEvent, keys_match_ids, parse_timestamps, read
from tests.support.records import event, event_fields, record

_COUNTS = st.integers(-1, 2**40 + 1) | st.sampled_from([2**40, 2**63, 2**64, 1.0, 1.5, True, None, "1"])
_TEXTS = st.text(max_size=3) | st.sampled_from(["", "x" * 64, "x" * 65, "x" * 128, "x" * 129, "é" * 128, "\x7f", "\n"])
_NUMBERS = st.floats() | st.integers() | st.sampled_from([1e6, 1e7, -0.0, 2.0**40, 1e400, None, True, "1.5"])
_STAMPS = st.sampled_from(["2026-11-02", "2024-02-29", "2026-02-29", "1969-12-31", "0001-01-01", "9999-12-31"])
_CLOCKS = st.sampled_from(["10:00:00", "23:59:59", "24:00:00", "23:59:60", "10:00", "100000", "10:60:00"])
_FRACTIONS = st.sampled_from(["", ".5", ".123", ".1234", ".999999", ".9999999", ".123456789", ".", ",5"])
_ZONES = st.sampled_from(["Z", "z", "", "+00:00", "-00:00", "+05:30", "+0530", "+05", "+23:59", "+24:00", "-12:00"])
_MOMENTS = st.builds("{}{}{}{}{}".format, _STAMPS, st.sampled_from(["T", " ", "t", "_"]), _CLOCKS, _FRACTIONS, _ZONES)
_ID = "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0000"
_IDS = st.sampled_from([_ID, _ID.upper(), _ID.replace("-", ""), "{" + _ID + "}", "urn:uuid:" + _ID, "é" * 36, _ID[1:]])
_TAGS = st.dictionaries(_TEXTS, _TEXTS | st.none(), max_size=3) | st.just({str(n): "" for n in range(17)})


# Values that the contract accepts.
_SAFE_TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters='"\\\x7f'), min_size=1, max_size=64
)
_SAFE_STAMPS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.isoformat())
_SAFE_MOMENTS = st.builds("{}{}".format, _SAFE_STAMPS, st.sampled_from(["Z", "+05:30"]))


def _strategies(name: str) -> tuple[st.SearchStrategy[Any], st.SearchStrategy[Any]]:
    """Return valid and hostile values of a field."""
    kinds = {
        "event_id": (st.uuids().map(str), _IDS),
        "occurred_at": (_SAFE_MOMENTS, _MOMENTS),
        "tags": (st.dictionaries(_SAFE_TEXTS, _SAFE_TEXTS, max_size=3), _TAGS),
        "streamed": (st.booleans(), st.sampled_from([0, None])),
    }
    if name in kinds:
        return kinds[name]
    kind = UsageEvent.model_fields[name].annotation
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind)), _COUNTS | _TEXTS
    if "int" in str(kind):
        return st.integers(0, 2**31 - 1), _COUNTS
    return (st.floats(0, 1e6), _NUMBERS) if "float" in str(kind) else (_SAFE_TEXTS, _TEXTS)


@st.composite
def _changes(draw: st.DrawFn) -> dict[str, Any]:
    """Return new values of up to three fields: with every field hostile at once, the fast path rejects nearly all."""
    names = draw(st.lists(st.sampled_from(sorted(UsageEvent.model_fields)), max_size=3, unique=True))
    return {name: draw(_strategies(name)[draw(st.integers(0, 1))]) for name in names}


def _quick(value: bytes) -> WireEvent | None:
    """Return what the worker takes from the fast decoder: the event, if key and time are valid too."""
    try:
        key = UUID(json.loads(value)["event_id"]).bytes
    except (ValueError, KeyError, TypeError, AttributeError):
        key = UUID(int=1).bytes
    found = read(key, value)
    if found is None or not (keys_match_ids([found], [key])[0] and parse_timestamps([found])[1][0]):
        return None
    return found


def _contract_accepts(value: bytes) -> bool:
    try:
        UsageEvent.model_validate_json(value)
    except ValidationError:
        return False
    return True


def _compare(value: bytes) -> bool:
    """Return whether the fast decoder accepts `value`; if so, compare it with the contract."""
    found = _quick(value)
    if found is None:
        return False
    event = UsageEvent.model_validate_json(value)
    same = Events.of([event])
    assert parse_timestamps([found])[0].tolist() == same.occurred_at_ms.tolist()
    found.occurred_at = same.fields[0].occurred_at
    assert found == same.fields[0]
    return True


def test_the_contract_accepts_what_the_fast_path_accepts() -> None:
    compared: list[bool] = []

    @settings(max_examples=2000, deadline=None)
    @given(_changes(), st.booleans())
    @example({"occurred_at": "2026-11-02T23:59:59.9999999Z"}, True)
    @example({"occurred_at": "9999-12-31T23:59:59-23:00"}, True)
    @example({"occurred_at": "0001-01-01T00:00:00+23:00"}, True)
    def agree(changes: dict[str, Any], escaped: bool) -> None:
        compared.append(_compare(json.dumps({**event_fields(1), **changes}, ensure_ascii=escaped).encode()))

    agree()
    assert sum(compared) > 0.4 * len(compared), "too few examples pass the fast path"


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=3))
def test_bytes_that_are_damaged_are_read_alike_or_not_at_all(place: int, lost: int, noise: bytes) -> None:
    value = json.dumps(event_fields(1, tags={"a": "b"})).encode()
    damaged = value[:place] + noise + value[place + lost :]
    found = _quick(damaged)
    if found is not None:
        found.occurred_at = Events.of([UsageEvent.model_validate_json(damaged)]).fields[0].occurred_at
        assert found == Events.of([UsageEvent.model_validate_json(damaged)]).fields[0]


def test_events_of_producers_take_the_fast_path() -> None:
    sent = UsageEvent.now(
        org_id="a", feature="chat", provider="openai", model="gpt-4o", audio_seconds=1.5, tags={"x": "y"}
    )
    assert _quick(sent.to_json()) == WireEvent.of(sent)
    for stamp in ("2026-11-02T10:00:00Z", "2026-11-02T10:00:00.123456+05:30", "2026-11-02T10:00:00.000Z"):
        assert _quick(json.dumps(event_fields(1, occurred_at=stamp)).encode()) is not None


def test_it_has_the_fields_and_defaults_of_the_contract() -> None:
    assert set(WireEvent.__struct_fields__) == set(UsageEvent.model_fields)
    bare = {name: value for name, value in event_fields(1).items() if UsageEvent.model_fields[name].is_required()}
    event = UsageEvent.model_validate_json(json.dumps(bare))
    found = msgspec.convert(bare, WireEvent)
    found.occurred_at = WireEvent.of(event).occurred_at
    assert found == WireEvent.of(event)


@pytest.mark.parametrize("name", sorted(UsageEvent.model_fields))
def test_no_field_may_be_missing_or_null_unless_the_contract_allows_it(name: str) -> None:
    for fields in ({**event_fields(1), name: None}, {k: v for k, v in event_fields(1).items() if k != name}):
        value = json.dumps(fields).encode()
        assert _quick(value) is None or _contract_accepts(value)


def test_a_key_of_another_event_is_seen() -> None:
    wire = [WireEvent.of(event(number)) for number in (1, 2, 3)]
    keys = [event(number).key for number in (1, 7, 3)]
    assert keys_match_ids(wire, keys).tolist() == [True, False, True]
    assert read(b"short", record(1).value) is None
    assert read(None, record(1).value) is None


def test_one_impossible_day_sends_all_the_long_way() -> None:
    wire = [WireEvent.of(event(number)) for number in (1, 2)]
    impossible = replace(record(1), value=json.dumps(event_fields(1, occurred_at="2026-02-30T00:00:00Z")).encode())
    found = read(impossible.key, impossible.value)
    assert found is not None
    assert not parse_timestamps([*wire, found])[1].any()
    with pytest.raises(ValidationError):
        UsageEvent.model_validate_json(impossible.value or b"")


def test_columns_keep_the_order_and_whole_milliseconds() -> None:
    moment = datetime(2026, 11, 2, 10, 0, 0, 999_999, tzinfo=UTC)
    events = Events.of([event(n).model_copy(update={"occurred_at": moment}) for n in (5, 6, 7)], [50, 60, 70])
    assert events.take([2, 0]).offsets == [70, 50]
    assert np.unique(events.occurred_at_ms).tolist() == [int(moment.timestamp()) * 1000 + 999]
