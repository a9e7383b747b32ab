"""Payloads that other tools send to the collector: LiteLLM's log payload, and spans in OTLP's JSON."""

from __future__ import annotations

from typing import Any

USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 10,
    "total_tokens": 1210,
    "prompt_tokens_details": {"cached_tokens": 1024},
}
TRACE = "0af7651916cd43dd8448eb211c80319c"


def litellm_payload(
    usage: dict[str, Any] | None = USAGE, metadata: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """Return a StandardLoggingPayload (litellm/types/utils.py) of 2026-11-02T10:01:00.123Z."""
    return {
        "id": "chatcmpl-1",
        "trace_id": "trace-1",
        "call_type": "acompletion",
        "stream": True,
        "status": "success",
        "custom_llm_provider": "openai",
        "model": "gpt-4o",
        "model_group": "best",
        "prompt_tokens": 1200,
        "completion_tokens": 10,
        "total_tokens": 1210,
        "response_cost": 0.00182,
        "startTime": 1793613660.1234567,
        "completionStartTime": 1793613660.5,
        "endTime": 1793613661.6234567,
        "response_time": 0.4,
        "end_user": "pupil-7",
        "request_tags": ["feature:essay", "class: 5b", "trial", "User-Agent: curl"],
        "cache_hit": None,
        "messages": [{"role": "user", "content": "SECRET"}],
        "response": {"choices": ["SECRET"]},
        "hidden_params": {"usage_object": None, "response_cost": "0.00182"},
        "metadata": {
            "user_api_key_alias": "tutor service",
            "user_api_key_team_id": "team-1",
            "user_api_key_team_alias": "schools",
            "user_api_key_user_id": "admin",
            "usage_object": usage,
            **(metadata or {}),
        },
        **changes,
    }


def otlp_document(*spans: dict[str, Any], **resource: str) -> dict[str, Any]:
    """Return an ExportTraceServiceRequest in JSON."""
    attributes = [{"key": name, "value": {"stringValue": value}} for name, value in resource.items()]
    scope = {"name": "tests", "version": "1"}
    return {
        "resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"scope": scope, "spans": spans}]}]
    }


def otlp_span(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a span of a chat call of 2026-11-02T10:01:00Z."""
    usage = {"gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 10}
    texts = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.response.model": "gpt-4o"}
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "startTimeUnixNano": "1793613660000000000",
        "endTimeUnixNano": "1793613661000000000",
        "status": {},
        "attributes": [
            *({"key": name, "value": {"stringValue": value}} for name, value in texts.items()),
            *({"key": name, "value": {"intValue": value}} for name, value in usage.items()),
        ],
        **changes,
    }
