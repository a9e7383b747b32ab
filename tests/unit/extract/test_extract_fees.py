"""Fees of tools, containers, pages and guardrails that a payload shows are priced, or named as unread."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from spendmeter_events import extract
from spendmeter_events.extract import Usage
from tests.support.pricing import cost_of_usage

TOKENS = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
"""$0.0035 of gpt-4o."""
AUTO = {"type": "code_interpreter", "container": {"type": "auto"}}


def run(*output: dict[str, Any], **more: Any) -> Usage:
    return extract.from_openai({"model": "gpt-4o", "object": "response", "output": output, "usage": TOKENS, **more})


def code(container: str = "c1") -> dict[str, Any]:
    return {"type": "code_interpreter_call", "container_id": container}


def shell(container: str) -> dict[str, Any]:
    return {"type": "shell_call", "environment": {"type": "container_reference", "container_id": container}}


SEARCH = {"type": "web_search_call", "action": {"type": "search"}}


@pytest.mark.parametrize(
    ("usage", "cost", "status"),
    [
        # https://developers.openai.com/api/docs/pricing: 0.03 per container of 1 GB, whatever runs in it
        (run(code(), code(), tools=[AUTO]), "0.0335", "priced"),
        (run(code("c1"), code("c2")), "0.0635", "priced"),
        (run(shell("c1"), tools=[{"type": "shell", "environment": {"type": "container_auto"}}]), "0.0335", "priced"),
        (run(code(), tools=[{**AUTO, "container": {"type": "auto", "memory_limit": "4g"}}]), "0.1235", "priced"),
        # created by another request
        (run(code(), tools=[{**AUTO, "container": "c1"}]), "0.0035", "partial"),
        (run(shell("c1"), tools=[{"type": "shell", "environment": {"container_id": "c1"}}]), "0.0035", "partial"),
        (run(code(), tools=[AUTO], previous_response_id="resp_0"), "0.0035", "partial"),
        # the preview of web search has another price than web search
        (run(SEARCH), "0.0135", "priced"),
        (run(SEARCH, tools=[{"type": "web_search_preview_2025_03_11"}]), "0.0285", "priced"),
        (run({"type": "file_search_call"}), "0.006", "priced"),
        (run({"type": "mcp_call"}, {"type": "function_call"}), "0.0035", "priced"),
    ],
)
def test_tools_of_openai(usage: Usage, cost: str, status: str) -> None:
    result = cost_of_usage(usage)
    assert (result["cost"], result["pricing_status"]) == (Decimal(cost), status), usage


def test_a_streamed_response_has_the_same_tools() -> None:
    response = {"model": "gpt-4o", "status": "completed", "output": [code()], "tools": [AUTO], "usage": TOKENS}
    usage = extract.from_openai([{"type": "response.completed", "response": response}])
    assert (usage.tool_calls, dict(usage.tags)) == (1, {"tool": "code_interpreter"})


def message(*tools: str) -> dict[str, Any]:
    content = [{"type": "server_tool_use", "name": name} for name in tools]
    return {"model": "claude-sonnet-4-5", "content": content, "usage": {"input_tokens": 10, "output_tokens": 5}}


@pytest.mark.parametrize(
    ("tools", "unread"),
    [
        (["bash_code_execution"], ("code_execution",)),
        (["code_execution", "text_editor_code_execution"], ("code_execution",)),
        (["code_execution", "web_fetch"], ()),
        ([], ()),
    ],
)
def test_containers_of_anthropic_are_billed_by_the_hour_unless_web_tools_are_used(
    tools: list[str], unread: tuple[str, ...]
) -> None:
    assert extract.from_anthropic(message(*tools)).unread == unread
    usage = {"input_tokens": 10, "output_tokens": 5}
    stream = [
        {"type": "message_start", "message": {"model": "claude-sonnet-4-5", "usage": usage}},
        *({"type": "content_block_start", "content_block": block} for block in message(*tools)["content"]),
        {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    ]
    assert extract.from_anthropic(stream).unread == unread


def test_tools_of_groqs_compound_systems_are_named() -> None:
    choice = {"message": {"executed_tools": [{"type": "search"}, {"type": "python"}, {"type": "a SECRET"}]}}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "queue_time": 0.1}
    read = extract.from_openai({"model": "groq/compound", "choices": [choice], "usage": usage}, provider="groq")
    assert read.unread == ("executed_tools.search", "executed_tools.python", "executed_tools.?")


def test_units_of_bedrocks_guardrails_are_named() -> None:
    def charged(**units: int) -> dict[str, Any]:
        return {"g1": {"invocationMetrics": {"usage": units}}}

    trace = {
        "inputAssessment": charged(contentPolicyUnits=1, wordPolicyUnits=1, topicPolicyUnits=0),
        "outputAssessments": {"g1": [{"invocationMetrics": {"usage": {"topicPolicyUnits": 2}}}]},
    }
    body = {"usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}, "trace": {"guardrail": trace}}
    assert extract.from_bedrock(body).unread == ("guardrail.contentPolicyUnits", "guardrail.topicPolicyUnits")


@pytest.mark.parametrize(
    ("body", "tool", "calls", "unread", "cost"),
    [
        (
            {"model": "mistral-ocr-latest", "usage_info": {"pages_processed": 3, "doc_size_bytes": 9}},
            "ocr_page",
            3,
            (),
            "0.006",
        ),
        ({"model": "mistral-ocr-2505", "usage_info": {"pages_processed": 3}}, "ocr_page", 3, (), "0.003"),
        (
            {
                "model": "mistral-medium-2505",
                "usage": {
                    "prompt_tokens": 10,
                    "completion_tokens": 5,
                    "total_tokens": 115,
                    "connector_tokens": 100,
                    "connectors": {"web_search": 2, "news": 0},
                },
            },
            "web_search",
            2,
            ("connector_tokens",),
            "0.000014",
        ),
    ],
)
def test_pages_and_connectors_of_mistral(
    body: dict[str, Any], tool: str, calls: int, unread: tuple[str, ...], cost: str
) -> None:
    usage = extract.from_mistral(body)
    assert (usage.tags["tool"], usage.tool_calls, usage.unread) == (tool, calls, unread)
    assert cost_of_usage(usage)["cost"] == Decimal(cost)


def test_the_storage_of_a_cache_is_named() -> None:
    created = {"name": "cachedContents/1", "model": "models/gemini-2.5-flash", "usageMetadata": {"totalTokenCount": 50}}
    usage = extract.from_gemini(created)
    assert (usage.input_tokens, usage.unread) == (50, ("cachedContents.storage",))
