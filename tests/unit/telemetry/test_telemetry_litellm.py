"""LiteLLM's StandardLoggingPayload, as its generic API callback sends it (litellm/types/utils.py)."""

from __future__ import annotations

import pytest

from spendmeter_events import UsageEvent
from spendmeter_events.normalize.record import InvalidRecord, event_of
from spendmeter_events.telemetry.errors import NotCounted
from spendmeter_events.telemetry.litellm import fields_of_payload
from tests.support.tool_payloads import USAGE
from tests.support.tool_payloads import litellm_payload as payload


def read(document: object, *, org_id: str = "acme") -> UsageEvent:
    return event_of(fields_of_payload(document, bound=bool(org_id)), org_id=org_id)


def test_a_call_has_disjoint_counts_and_the_cost_as_reported() -> None:
    event = read(payload())
    assert (event.input_tokens, event.cache_read_tokens, event.output_tokens) == (176, 1024, 10)
    assert (event.provider_cost_usd, event.tags["cost_source"]) == (0.00182, "response_cost")
    assert (event.org_id, event.user_id, event.feature, event.provider) == ("acme", "pupil-7", "essay", "openai")
    assert (event.model, event.request_id, event.conversation_id) == ("gpt-4o", "chatcmpl-1", "trace-1")
    assert (event.latency_ms, event.ttft_ms, event.streamed, event.service) == (1500, 376, True, "chat")
    assert event.tags == {
        "cost_source": "response_cost",
        "litellm_key": "tutor service",
        "litellm_team": "schools",
        "litellm_model_group": "best",
        "class": "5b",
        "trial": "true",
    }
    assert event.occurred_at.isoformat() == "2026-11-02T10:01:00.123000+00:00"
    assert "SECRET" not in event.to_json().decode()


def test_cache_writes_of_anthropic_are_part_of_the_prompt() -> None:
    usage = {**USAGE, "cache_read_input_tokens": 1024, "cache_creation_input_tokens": 100}
    event = read(payload(usage, custom_llm_provider="anthropic", model="anthropic/claude-sonnet-4-5"))
    assert (event.input_tokens, event.cache_read_tokens, event.cache_write_5m_tokens) == (76, 1024, 100)
    assert event.model == "claude-sonnet-4-5"


def test_the_org_is_set_by_the_proxy_and_never_by_its_caller() -> None:
    metadata = {"requester_metadata": {"spendmeter_org_id": "victim", "org_id": "victim"}}
    assert read(payload(metadata=metadata), org_id="").org_id == "team-1"
    assert read(payload(metadata={**metadata, "user_api_key_org_id": "org-1"}), org_id="").org_id == "org-1"
    assert read(payload(metadata={**metadata, "user_api_key_org_id": "org-1"})).org_id == "acme"


def test_metadata_of_the_request_names_feature_and_key_source() -> None:
    metadata = {"spend_logs_metadata": {"spendmeter_key_source": "byok", "spendmeter_feature": "quiz"}}
    event = read(payload(metadata=metadata, end_user=None, request_tags=None))
    assert (event.feature, event.key_source, event.user_id) == ("quiz", "byok", "admin")
    assert read(payload(request_tags=None)).feature == "tutor service"
    assert read(payload(request_tags=None, metadata={"user_api_key_alias": None})).feature == "litellm"


def test_each_attempt_is_a_call_and_a_failure_has_no_text_of_the_provider() -> None:
    error = {"error_class": "RateLimitError", "error_code": "429", "error_message": "SECRET", "traceback": "SECRET"}
    failed = payload(None, status="failure", error_information=error, error_str="SECRET", response_cost=0,
                     prompt_tokens=0, completion_tokens=0, startTime=1793613659.5)  # fmt: skip
    event = read(failed)
    assert (event.status, event.error_type, event.error_message) == ("error", "RateLimitError", "")
    assert "usage" not in event.tags
    assert event.provider_cost_usd is None
    assert event.event_id == read(failed).event_id
    assert event.event_id != read(payload()).event_id


def test_without_a_usage_object_the_cached_part_is_unknown() -> None:
    event = read(payload(None))
    assert (event.input_tokens, event.tags["usage"]) == (1200, "ambiguous")
    from_response = read(payload(None, response={"usage": USAGE}))
    assert (from_response.input_tokens, "usage" in from_response.tags) == (176, False)


@pytest.mark.parametrize(
    ("call_type", "service"),
    [("completion", "chat"), ("aembedding", "embedding"), ("image_generation", "image"), ("aspeech", "speech")],
)
def test_service(call_type: str, service: str) -> None:
    assert read(payload(call_type=call_type)).service == service


@pytest.mark.parametrize("document", [None, payload(cache_hit=True), payload(cache_hit="True")])
def test_an_answer_from_the_cache_and_an_empty_entry_are_not_counted(document: object) -> None:
    with pytest.raises(NotCounted):
        read(document)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], ""),
        ("text", ""),
        ({"id": "1", "startTime": "2026-11-02 10:01:00", "cost": "0.1"}, "startTime"),
        (payload(startTime="yesterday"), "occurred_at"),
        (payload(startTime=None), "occurred_at"),
    ],
)
def test_what_is_not_a_payload_is_refused_with_its_field(document: object, field: str) -> None:
    with pytest.raises(InvalidRecord) as refused:
        read(document)
    assert refused.value.field in (field, "")


@pytest.mark.parametrize("cost", [None, "n/a", -1, float("nan"), True])
def test_an_unusable_cost_is_not_reported(cost: object) -> None:
    assert read(payload(response_cost=cost)).provider_cost_usd is None


def test_a_number_beyond_floats_does_not_fail() -> None:
    usage = {"prompt_tokens": 10**400, "completion_tokens": 10, "unknown_tokens": 10**400}
    assert read(payload(metadata={"usage_object": usage})).output_tokens == 10
