"""Which spans of a receiver of all spans are model calls, in every dialect."""

from __future__ import annotations

from typing import Any

import pytest

from spendmeter_events.extract._spans.facts import shows_model_call

TOKENS = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}


@pytest.mark.parametrize(
    ("attributes", "counts"),
    [
        ({"gen_ai.operation.name": "chat"}, True),
        ({"gen_ai.operation.name": "invoke_agent", **TOKENS}, False),
        ({"gen_ai.operation.name": "execute_tool"}, False),
        ({"gen_ai.system": "openai", "gen_ai.usage.prompt_tokens": 1}, True),
        ({"llm.request.type": "chat"}, True),
        ({"traceloop.span.kind": "workflow", **TOKENS}, False),
        ({"traceloop.span.kind": "unknown"}, False),
        ({"openinference.span.kind": "LLM"}, True),
        ({"openinference.span.kind": "CHAIN", "llm.token_count.prompt": 5}, False),
        ({"ai.operationId": "ai.generateText", "ai.usage.promptTokens": 5}, False),
        ({"ai.operationId": "ai.generateText.doGenerate"}, True),
        ({"ai.operationId": "ai.streamText.doStream"}, True),
        ({"ai.operationId": "ai.toolCall"}, False),
        ({"langfuse.observation.type": "generation"}, True),
        ({"http.request.method": "POST", "server.address": "api.openai.com"}, False),
        ({"db.system": "postgresql"}, False),
        ({}, False),
    ],
)
def test_only_model_calls_count(attributes: dict[str, Any], counts: bool) -> None:
    assert shows_model_call(attributes) is counts
