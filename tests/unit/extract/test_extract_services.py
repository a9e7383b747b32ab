"""Payloads of single services: sessions, jobs, streams and servers with layouts of their own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spendmeter_events import extract
from spendmeter_events.extract import Usage
from spendmeter_events.extract._apis.compatible import COHERE

COUNTS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
counts = st.integers(0, 2**30)


def sonic(*parts: int) -> dict[str, Any]:
    heard, read, spoken, written = parts
    total = {
        "input": {"speechTokens": heard, "textTokens": read},
        "output": {"speechTokens": spoken, "textTokens": written},
    }
    event = {"totalInputTokens": heard + read, "totalOutputTokens": spoken + written, "totalTokens": sum(parts)}
    return {"event": {"usageEvent": {"completionId": "c", "details": {"total": total, "delta": {}}, **event}}}


@settings(max_examples=20)
@given(st.tuples(counts, counts, counts, counts))
def test_a_session_of_nova_sonic_has_the_totals_of_its_last_event(parts: tuple[int, int, int, int]) -> None:
    heard, read, spoken, written = parts
    for payload in (sonic(*parts), [sonic(0, 0, 0, 0), {"event": {"textOutput": {}}}, sonic(*parts)]):
        usage = extract.from_bedrock(payload, request={"modelId": "amazon.nova-sonic-v1:0"})
        assert (usage.input_audio_tokens, usage.input_tokens) == (heard, read)
        assert (usage.output_audio_tokens, usage.output_tokens) == (spoken, written)
        assert (usage.total_tokens, usage.state, usage.request_id) == (sum(parts), "complete", "c")


def cohere_v1(reason: str) -> list[dict[str, Any]]:
    units = {"billed_units": {"input_tokens": 10, "output_tokens": 5}}
    end = {"event_type": "stream-end", "finish_reason": reason, "response": {"meta": units, "finish_reason": reason}}
    return [{"event_type": "stream-start", "generation_id": "g"}, {"event_type": "text-generation", "text": "x"}, end]


def cohere_v2(reason: str) -> list[dict[str, Any]]:
    usage = {"billed_units": {"input_tokens": 10, "output_tokens": 5}, "tokens": {"input_tokens": 70}}
    end = {"type": "message-end", "delta": {"finish_reason": reason, "usage": usage}}
    return [{"type": "message-start", "id": "c"}, {"type": "content-delta"}, end]


@pytest.mark.parametrize("stream", [cohere_v1, cohere_v2])
def test_streams_of_cohere(stream: Any) -> None:
    usage = extract.from_cohere(stream("COMPLETE"), request={"model": "command-a-03-2025"})
    assert (usage.input_tokens, usage.output_tokens, usage.state, usage.status) == (10, 5, "complete", "")
    assert extract.from_cohere(stream("ERROR")).status == "error"
    assert extract.from_cohere(stream("COMPLETE")[:2]).state == "aborted"
    assert [COHERE.has_output(event) for event in stream("COMPLETE")] == [False, True, False]


def test_images_of_coheres_embeddings_are_image_tokens() -> None:
    units = {"images": 1, "image_tokens": 500, "input_tokens": 20}
    usage = extract.from_cohere({"embeddings": {}, "meta": {"billed_units": units}})
    assert (usage.input_tokens, usage.input_image_tokens, usage.state) == (20, 500, "complete")
    assert extract.from_cohere({"meta": {"billed_units": {"images": 1}}}).unread == ("billed_units.images",)


def test_an_unknown_count_of_ollama_is_named() -> None:
    body = {"done": True, "prompt_eval_count": 10, "eval_count": 5, "image_eval_count": 7, "total_duration": 9}
    assert extract.from_ollama(body).unread == ("image_eval_count",)


@pytest.mark.parametrize(
    "body",
    [
        {"content": "x", "tokens_evaluated": 10, "tokens_predicted": 5, "tokens_cached": 14},  # llama.cpp
        {"result": {"response": "x", "usage": COUNTS}, "success": True},  # Workers AI
        {"results": [{"input_token_count": 10, "generated_token_count": 5, "generated_text": "x"}]},  # watsonx.ai
    ],
)
def test_layouts_of_other_servers(body: dict[str, Any]) -> None:
    usage = extract.from_openai(body, provider="other")
    assert (usage.input_tokens, usage.output_tokens, usage.state) == (10, 5, "complete")


@pytest.mark.parametrize(("cancelled", "searches"), [(False, 0), (True, 3)])
def test_a_generation_of_openrouter_has_its_native_counts(cancelled: bool, searches: int) -> None:
    data = {
        "id": "gen-1",
        "model": "openai/gpt-4o",
        "provider_name": "OpenAI",
        "tokens_prompt": 9,
        "native_tokens_prompt": 10,
        "native_tokens_completion": 6,
        "native_tokens_reasoning": 2,
        "native_tokens_cached": 4,
        "total_cost": 0.001,
        "is_byok": True,
        "upstream_inference_cost": 0.02,
        "cancelled": cancelled,
        "num_search_results": searches,
    }
    usage: Usage = extract.from_openrouter({"data": data})
    assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens) == (6, 4, 6)
    assert (usage.key_source, usage.provider_cost_usd, usage.tags["upstream"]) == ("byok", 0.021, "OpenAI")
    assert (usage.status, usage.unread) == (("cancelled", ("num_search_results",)) if cancelled else ("", ()))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"predictions": [{"mimeType": "image/png"}, {"mimeType": "image/png"}]}, {"images": 2}),
        ({"predictions": [{"embeddings": {"statistics": {"token_count": 6}}}]}, {"input_tokens": 6}),
        (
            {
                "predictions": [{"embeddings": {"statistics": {"token_count": 6}}}],
                "metadata": {"billableCharacterCount": 20},
            },
            {"characters": 20},
        ),
    ],
)
def test_predictions_of_vertex(body: dict[str, Any], found: dict[str, int]) -> None:
    fields = extract.from_gemini(body, provider="vertex").as_fields()
    assert fields == {"provider": "vertex", **found}


def test_a_line_of_a_claude_batch_on_vertex() -> None:
    message = {"id": "m", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 10, "output_tokens": 5}}
    usage = extract.from_anthropic({"request": {}, "response": message, "status": ""}, provider="vertex")
    assert (usage.model, usage.input_tokens, usage.service_tier) == ("claude-sonnet-4-5", 10, "batch")
