"""Every record equals the typed event's encoding, and the same arguments generate it again."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import RFC_4122

import pytest

from spendmeter_events import UsageEvent
from spendmeter_events.traffic import TrafficRecord, generate

END = datetime(2026, 11, 18, 3, 30, tzinfo=UTC)


def _digest(calls: list[TrafficRecord]) -> str:
    return hashlib.sha256(b"".join(key + value for key, value in calls)).hexdigest()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    "end", [END, datetime(2027, 3, 29, 0, 0, tzinfo=UTC), datetime(2024, 2, 29, 23, 59, tzinfo=UTC)]
)
def test_every_value_is_a_valid_event_byte_for_byte(seed: int, end: datetime) -> None:
    ids = set()
    for key, value in generate(seed=seed, days=2, end=end):
        event = UsageEvent.model_validate_json(value)
        assert event.to_json() == value
        assert event.key == key
        assert (event.event_id.version, event.event_id.variant) == (7, RFC_4122)
        assert int.from_bytes(key[:6]) == int(event.occurred_at.timestamp() * 1000 + 0.5)
        ids.add(key)
    assert len(ids) > 4000


def test_records_come_in_time_order_within_the_window_and_once() -> None:
    keys = [key for key, _ in generate(seed=1, days=3, end=END)]
    assert all(left < right for left, right in pairwise(keys))
    first, last = (int(moment.timestamp() * 1000) for moment in (END - timedelta(days=3), END))
    assert first <= int.from_bytes(keys[0][:6]) < first + 600_000
    assert last - 600_000 < int.from_bytes(keys[-1][:6]) < last


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert list(generate(seed=5, days=1, end=END)) == list(generate(seed=5, days=1, end=END))


def test_another_process_with_another_hash_seed_gives_the_same_bytes() -> None:
    program = (
        "import hashlib, datetime; from spendmeter_events.traffic import generate\n"
        f"end = datetime.datetime.fromisoformat({END.isoformat()!r})\n"
        "calls = list(generate(seed=5, days=0.5, end=end))\n"
        "print(hashlib.sha256(b''.join(key + value for key, value in calls)).hexdigest())"
    )
    expected = _digest(list(generate(seed=5, days=0.5, end=END)))
    for hash_seed in ("0", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        output = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        assert output.stdout.strip() == expected


def test_a_longer_window_ends_with_the_shorter_one() -> None:
    long = list(generate(seed=3, days=3, end=END))
    short = list(generate(seed=3, days=1.3, end=END))
    assert long[-len(short) :] == short


def test_a_later_window_continues_the_earlier_one() -> None:
    earlier = list(generate(seed=3, days=2, end=END))
    later = list(generate(seed=3, days=2, end=END + timedelta(hours=9, minutes=17)))
    joint = [call for call in later if call[0] <= earlier[-1][0]]
    assert joint == earlier[-len(joint) :]
    assert len(joint) > 2000


@pytest.mark.parametrize("other", [{"seed": 4}, {"seed": 3, "scale": 1.5}])
def test_another_seed_or_scale_shares_no_id(other: dict[str, Any]) -> None:
    ids = {key for key, _ in generate(seed=3, days=1, end=END)}
    assert not ids & {key for key, _ in generate(days=1, end=END, **other)}


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_scale_multiplies_the_traffic(scale: float) -> None:
    one = sum(1 for _ in generate(seed=3, days=4, end=END))
    scaled = sum(1 for _ in generate(seed=3, days=4, end=END, scale=scale))
    assert scaled == pytest.approx(one * scale, rel=0.2)


def test_no_days_no_records() -> None:
    assert list(generate(seed=1, days=0, end=END)) == []


def test_an_end_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="end has no time zone"):
        generate(seed=1, days=1, end=END.replace(tzinfo=None))


def test_an_end_in_another_zone_is_the_same_moment() -> None:
    local = datetime.fromisoformat("2026-11-18T09:00:00+05:30")
    assert list(generate(seed=1, days=0.2, end=local)) == list(generate(seed=1, days=0.2, end=END))


@pytest.mark.slow
@pytest.mark.parametrize("end", [datetime(2026, 11, 22, tzinfo=UTC), datetime(2027, 5, 10, tzinfo=UTC)])
def test_ninety_days_are_300_to_500_thousand_events(end: datetime) -> None:
    assert 300_000 <= sum(1 for _ in generate(seed=1, days=90, end=end)) <= 500_000


def test_values_are_plain_json_of_moderate_size() -> None:
    values = [value for _, value in generate(seed=1, days=0.3, end=END)]
    assert max(map(len, values)) < 1024
    assert all(isinstance(json.loads(value), dict) for value in values)
