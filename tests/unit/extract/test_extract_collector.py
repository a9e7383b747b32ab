"""Collect a stream chunk by chunk, as the instrumented clients do."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from spendmeter_events import extract
from spendmeter_events.extract import InconsistentUsage, Usage
from spendmeter_events.extract._apis.anthropic import ANTHROPIC
from spendmeter_events.extract._apis.bedrock import BEDROCK
from spendmeter_events.extract._apis.dialect import Collector, known_usage
from spendmeter_events.extract._apis.gemini import GEMINI
from spendmeter_events.extract._apis.openai import OPENAI


def test_a_collector_reports_when_the_provider_has_finished() -> None:
    collector = Collector(ANTHROPIC)
    collector.add({"type": "message_start", "message": {"id": "m1", "usage": {"input_tokens": 3}}})
    unfinished = collector.finished
    assert unfinished is False
    assert collector.usage().state == "aborted"
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}
    collector.add(delta)
    assert collector.finished
    assert collector.usage() == Usage(provider="anthropic", request_id="m1", input_tokens=3, output_tokens=4)


def test_a_delta_without_an_end_is_a_running_count() -> None:
    collector = Collector(ANTHROPIC)
    collector.add({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 4}})
    assert collector.usage().output_tokens == 4
    assert collector.usage().state == "aborted"


def test_consistent_counts_survive_any_failure() -> None:
    def inconsistent() -> Usage:
        return extract.from_openai({"id": "c1", "usage": {"prompt_tokens": -1}}, strict=True)

    def broken() -> NoReturn:
        raise RuntimeError("an object whose attributes raise")

    assert known_usage(inconsistent).request_id == "c1"
    assert known_usage(broken) == Usage(state="missing")
    with pytest.raises(InconsistentUsage):
        inconsistent()


@pytest.mark.parametrize(
    ("dialect", "chunk", "has_output"),
    [
        (OPENAI, {"choices": [{"delta": {"role": "assistant", "content": ""}}]}, False),
        (OPENAI, {"choices": [{"delta": {"content": "", "reasoning_content": "Hm"}}]}, True),
        (OPENAI, {"choices": [], "usage": {"prompt_tokens": 1}}, False),
        (OPENAI, {"type": "response.created"}, False),
        (OPENAI, {"type": "response.output_text.delta"}, True),
        (ANTHROPIC, {"type": "message_start"}, False),
        (ANTHROPIC, {"type": "content_block_delta"}, True),
        (GEMINI, {"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]}, True),
        (GEMINI, {"usageMetadata": {}}, False),
        (BEDROCK, {"messageStart": {}}, False),
        (BEDROCK, {"contentBlockDelta": {"delta": {"text": "Hi"}}}, True),
        (BEDROCK, {"chunk": {"bytes": b"{}"}}, True),
    ],
)
def test_the_first_chunk_with_output_ends_the_time_to_first_token(
    dialect: Any, chunk: dict[str, Any], has_output: bool
) -> None:
    assert dialect.has_output(chunk) is has_output
