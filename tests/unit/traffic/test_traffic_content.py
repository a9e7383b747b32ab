"""The traffic has all data that boards show, and nothing alarming."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spendmeter_events import ACTIONS, NameEntry, OrgEntry, UsageEvent, UserEntry
from spendmeter_events.traffic import INCIDENTS, directory, generate

SEED = 11
END = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)

FEATURES = {
    *("chat", "chat_title", "test_generation", "answer_evaluation", "curriculum_generation", "module_generation"),
    *("embedding", "embedding_batch", "rag_completion", "vector_search", "vector_sections", "student_insights"),
    *("teacher_insights", "teaching_plan", "vocabulary_quiz", "ai_quiz", "reading_comprehension"),
    *("matching_game", "sentence_builder", "homework_photo", "speaking_practice", "illustration", "translation"),
}


@pytest.fixture(scope="module")
def week() -> list[UsageEvent]:
    return [UsageEvent.model_validate_json(value) for _, value in generate(seed=SEED, days=10, end=END)]


@pytest.fixture(scope="module")
def users() -> dict[tuple[str, str], UserEntry]:
    entries = (entry for entry in directory(SEED) if isinstance(entry, UserEntry))
    return {(entry.org_id, entry.user_id): entry for entry in entries}


def _values(events: Iterable[UsageEvent], field: str) -> Counter[object]:
    return Counter(getattr(event, field) for event in events)


def test_every_dimension_has_all_its_values(week: list[UsageEvent]) -> None:
    assert set(_values(week, "feature")) == FEATURES
    assert set(_values(week, "action")) == set(ACTIONS)
    assert set(_values(week, "service")) == {
        *("chat", "embedding", "vision", "image", "speech", "transcription", "translation")
    }
    assert set(_values(week, "provider")) == {
        *("openai", "anthropic", "google", "deepseek", "mistral", "ollama"),
        *("azure-speech", "edge-tts", "elevenlabs", "deepl"),
    }
    assert set(_values(week, "status")) == {"ok", "error", "cancelled"}
    assert set(_values(week, "error_type")) == {
        *("", "rate_limit", "timeout", "content_policy", "invalid_response", "network")
    }
    assert set(_values(week, "service_tier")) == {"standard", "batch", "flex", "priority"}
    assert len(_values(week, "model")) >= 25
    assert len(_values(week, "agent_id")) >= 10
    assert len(_values(week, "task_id")) >= 10
    assert len(_values(week, "configuration_id")) >= 20


def test_every_bucket_the_demo_can_fill_is_filled(week: list[UsageEvent]) -> None:
    for unit in (
        *("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens"),
        *("characters", "audio_seconds", "images", "tool_calls", "reasoning_tokens"),
    ):
        assert any(getattr(event, unit) for event in week), unit


def test_all_roles_act_and_each_user_is_in_the_directory(
    week: list[UsageEvent], users: dict[tuple[str, str], UserEntry]
) -> None:
    seen = {(event.org_id, event.user_id) for event in week if event.user_id is not None}
    assert seen <= set(users)
    assert {users[key].role for key in seen if key in users} == {
        *("super_admin", "admin", "teacher", "student", "independent_student", "parent")
    }


def test_the_system_acts_without_a_user(week: list[UsageEvent]) -> None:
    by_system = [event for event in week if event.user_id is None]
    assert 0.02 < len(by_system) / len(week) < 0.1
    assert {"student_insights", "embedding_batch", "vector_sections"} <= set(_values(by_system, "feature"))


def test_some_schools_bring_their_own_keys(week: list[UsageEvent]) -> None:
    byok = [event for event in week if event.key_source == "byok"]
    assert 0.05 < len(byok) / len(week) < 0.3
    assert set(_values(byok, "org_id")) == {"greenfield-pune", "cedar-austin", "lindenhof-berlin"}


def test_about_one_title_for_each_conversation(week: list[UsageEvent]) -> None:
    talks = {event.conversation_id for event in week if event.feature == "rag_completion"}
    talks |= {event.conversation_id for event in week if event.agent_id == "assistant" and event.conversation_id}
    titles = sum(event.feature == "chat_title" for event in week)
    assert titles == pytest.approx(len(talks), rel=0.03)


def test_buckets_agree_with_each_other(week: list[UsageEvent]) -> None:
    for event in week:
        assert event.reasoning_tokens <= event.output_tokens
        if event.cache_read_tokens:
            assert event.input_tokens > 0
            assert event.provider in {"openai", "anthropic", "google", "deepseek"}
        if event.provider == "openai":
            assert event.cache_read_tokens % 128 == 0
        if event.cache_write_5m_tokens or event.cache_write_1h_tokens:
            assert event.provider == "anthropic"
        if event.streamed:
            assert event.ttft_ms is not None
            assert event.latency_ms is not None
            assert event.ttft_ms <= event.latency_ms
        if event.tool_calls:
            assert event.tags["tool"] == "web_search"


def test_only_batches_have_no_latency(week: list[UsageEvent]) -> None:
    for event in week:
        if event.status == "ok":
            assert (event.latency_ms is None) == (event.service_tier == "batch")


def test_errors_are_few_and_say_why(week: list[UsageEvent]) -> None:
    errors = [event for event in week if event.status == "error"]
    assert 0.005 < len(errors) / len(week) < 0.02
    assert all(event.error_type and event.error_message for event in errors)
    assert not any(event.error_type or event.error_message for event in week if event.status != "error")
    assert len({event.error_message for event in errors}) > 50


def test_a_few_users_make_much_of_the_traffic(week: list[UsageEvent]) -> None:
    calls = sorted(Counter(event.user_id for event in week if event.user_id).values(), reverse=True)
    top = sum(calls[: len(calls) // 20])
    assert 0.15 < top / sum(calls) < 0.5
    assert calls[0] < 0.02 * sum(calls)


def test_the_baseline_has_no_burst_of_errors(week: list[UsageEvent]) -> None:
    calls: Counter[object] = Counter()
    errors: Counter[object] = Counter()
    for event in week:
        hour = (event.provider, event.occurred_at.replace(minute=0, second=0, microsecond=0))
        calls[hour] += 1
        errors[hour] += event.status == "error"
    assert max(errors[hour] / calls[hour] for hour in calls if calls[hour] >= 50) < 0.12


def test_the_baseline_has_no_runaway(week: list[UsageEvent]) -> None:
    """No org uses in an hour the tokens of an ordinary day."""
    by_hour: Counter[tuple[str, datetime]] = Counter()
    by_day: dict[str, Counter[datetime]] = defaultdict(Counter)
    for event in week:
        tokens = event.input_tokens + event.cache_read_tokens + event.output_tokens
        by_hour[event.org_id, event.occurred_at.replace(minute=0, second=0, microsecond=0)] += tokens
        by_day[event.org_id][event.occurred_at.replace(hour=0, minute=0, second=0, microsecond=0)] += tokens
    for (org_id, _), tokens in by_hour.items():
        assert tokens < max(max(by_day[org_id].values()), 300_000)


def test_the_directory_describes_schools_and_people() -> None:
    entries = directory(SEED)
    orgs = [entry for entry in entries if isinstance(entry, OrgEntry)]
    users = [entry for entry in entries if isinstance(entry, UserEntry)]
    names = [entry for entry in entries if isinstance(entry, NameEntry)]
    assert entries == [*orgs, *users, *names]
    assert {entry.kind for entry in names} == {"agent", "task", "configuration", "feature"}
    assert {(org.timezone, org.currency) for org in orgs} >= {
        ("Asia/Kolkata", "INR"),
        ("Asia/Kathmandu", "INR"),
        ("America/New_York", "USD"),
        ("Europe/Berlin", "EUR"),
    }
    assert len({entry.key for entry in entries}) == len(entries)
    assert {user.org_id for user in users} <= {org.org_id for org in orgs}
    for user in users:
        assert bool(user.class_name and user.section) == (user.role == "student")
        assert user.email.isascii()


def test_the_directory_is_the_same_for_the_same_seed() -> None:
    assert directory(3) == directory(3)
    assert directory(3) != directory(4)


def test_the_page_names_every_org_feature_and_incident() -> None:
    page = (Path(__file__).parents[3] / "docs" / "demo-data.md").read_text()
    named = {entry.org_id for entry in directory(SEED) if entry.org_id} | FEATURES | set(INCIDENTS)
    assert [name for name in sorted(named) if f"`{name}`" not in page] == []
