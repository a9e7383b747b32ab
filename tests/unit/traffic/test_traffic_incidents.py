"""Incidents stand out from the baseline, each in its own way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from spendmeter_events import UsageEvent, UserEntry
from spendmeter_events.traffic import INCIDENTS, directory, generate, merged
from spendmeter_events.traffic._models import MODELS

START = datetime(2026, 11, 18, 20, 30, 12, tzinfo=UTC)


def _events(name: str, **options: int) -> list[UsageEvent]:
    calls = INCIDENTS[name](seed=1, start=START, **options)
    return [UsageEvent.model_validate_json(value) for _, value in calls]


@pytest.mark.parametrize("name", INCIDENTS)
def test_an_incident_is_valid_ordered_bounded_and_repeatable(name: str) -> None:
    calls = list(INCIDENTS[name](seed=1, start=START, minutes=75))
    assert len(calls) > 200
    assert all(left[0] < right[0] for left, right in pairwise(calls))
    assert calls == list(INCIDENTS[name](seed=1, start=START, minutes=75))
    assert not {key for key, _ in calls} & {key for key, _ in INCIDENTS[name](seed=2, start=START, minutes=75)}
    for key, value in calls:
        event = UsageEvent.model_validate_json(value)
        assert (event.key, event.to_json()) == (key, value)
        assert START.replace(microsecond=0) <= event.occurred_at < START + timedelta(minutes=75)


@pytest.mark.parametrize("name", INCIDENTS)
def test_a_start_without_a_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="start has no time zone"):
        INCIDENTS[name](seed=1, start=START.replace(tzinfo=None))


def test_an_incident_is_merged_with_the_baseline_in_time_order() -> None:
    end = START + timedelta(hours=2)
    baseline = list(generate(seed=1, days=0.25, end=end))
    extra = list(INCIDENTS["runaway_loop"](seed=1, start=START, minutes=10))
    together = list(merged(baseline, extra))
    assert len(together) == len(baseline) + len(extra)
    assert all(left[0] < right[0] for left, right in pairwise(together))


def test_a_runaway_loop_uses_more_than_all_schools_do() -> None:
    loop = sum(event.input_tokens + event.cache_read_tokens for event in _events("runaway_loop", minutes=30))
    window = generate(seed=1, days=30 / 1440, end=START + timedelta(minutes=30))
    usual = [UsageEvent.model_validate_json(value) for _, value in window]
    assert loop > 20 * sum(event.input_tokens + event.cache_read_tokens for event in usual)
    assert {event.user_id for event in _events("runaway_loop", minutes=5)} == {None}


def test_a_stolen_key_is_used_by_an_unknown_user() -> None:
    known = {entry.user_id for entry in directory(1) if isinstance(entry, UserEntry)}
    thieves = {event.user_id for event in _events("stolen_key_at_night", minutes=10)}
    assert len(thieves) == 1
    assert not thieves & known


def test_an_error_storm_fails_most_calls() -> None:
    events = _events("error_storm")
    assert sum(event.status == "error" for event in events) / len(events) == pytest.approx(0.7, abs=0.06)
    assert len({event.user_id for event in events}) > 50


def test_a_price_jump_is_the_tutor_on_another_model() -> None:
    events = _events("price_jump")
    assert {(event.feature, event.model) for event in events} == {("rag_completion", "claude-opus-4-8")}


def test_an_unpriced_model_is_one_the_demo_never_uses() -> None:
    (model,) = {event.model for event in _events("unpriced_model")}
    assert model not in MODELS


def test_an_unknown_school_is_named() -> None:
    from spendmeter_events.traffic.incidents import runaway_loop

    with pytest.raises(ValueError, match="unknown school 'nowhere'; schools: sunrise-delhi, "):
        runaway_loop(seed=1, start=START, org_id="nowhere")
