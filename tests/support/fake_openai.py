"""Payloads and clients for tests that run the real `openai` SDK against a local fake."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from spendmeter_events.instrument import instrument
from tests.support.fake_provider import FakeProvider, Recorder, fake_provider

HI: list[Any] = [{"role": "user", "content": "SECRET prompt"}]
USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 10,
    "total_tokens": 1210,
    "prompt_tokens_details": {"cached_tokens": 1024},
}
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "service_tier": "default",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "SECRET answer"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-5",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": '{"name": "Ada"}', "annotations": []}],
        }
    ],
    "parallel_tool_calls": False,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 30,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 8},
        "total_tokens": 50,
    },
}
DONE = "data: [DONE]\n\n"


def chunk(text: str = "", *, finish: str | None = None, usage: Any = None, **more: Any) -> dict[str, Any]:
    choices = [{"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}]
    base = {"id": "chatcmpl-2", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
    return base | {"choices": [] if usage else choices, "usage": usage} | more


CHUNKS = [chunk("Hel"), chunk("lo"), chunk(finish="stop"), chunk(usage=USAGE), DONE]
WITHOUT_USAGE = [chunk("Hel"), chunk("lo"), chunk(finish="stop"), DONE]


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with fake_provider() as running:
        yield running


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def plain(fake: FakeProvider) -> Iterator[OpenAI]:
    with OpenAI(api_key="k", base_url=f"{fake.url}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def client(plain: OpenAI, recorder: Recorder) -> OpenAI:
    return instrument(plain, recorder, org_id="school-1", feature="tutor", provider="openai")


@pytest.fixture
async def async_client(fake: FakeProvider, recorder: Recorder) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="k", base_url=f"{fake.url}/v1", max_retries=0) as client:
        yield instrument(client, recorder, org_id="school-1", feature="tutor", provider="openai")


def counts(event: Any) -> tuple[int, int, int]:
    return event.input_tokens, event.cache_read_tokens, event.output_tokens
