"""Defaults and warnings of the instrumentation, so that no billed call is left out silently."""

from __future__ import annotations

import json
import logging
import warnings
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from openai import OpenAI

from spendmeter_events.instrument import instrument
from tests.support.fake_openai import CHUNKS, HI, WITHOUT_USAGE, counts
from tests.support.fake_provider import Recorder


class _Provider:
    """Answers chat streams as OpenAI does: usage only on request."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content or b"{}")
        self.bodies.append(body)
        if not body.get("stream"):
            return httpx.Response(200, json={"id": "batch_1"})
        chunks = CHUNKS if body.get("stream_options") else WITHOUT_USAGE
        text = "".join(each if isinstance(each, str) else f"data: {json.dumps(each)}\n\n" for each in chunks)
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})


def _client(host: str, provider: _Provider) -> OpenAI:
    transport = httpx.MockTransport(provider)
    return OpenAI(api_key="k", base_url=f"https://{host}/v1", http_client=httpx.Client(transport=transport))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "metered"), [("api.openai.com", True), ("openrouter.ai", True), ("llm.internal", False)]
)
def test_streams_of_known_hosts_are_metered_by_default(
    host: str, metered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    provider, recorder = _Provider(), Recorder()
    client = instrument(_client(host, provider), recorder, org_id="o", feature="f")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            chunks = list(client.chat.completions.create(model="gpt-4o", messages=HI, stream=True))
            assert [each.usage for each in chunks] == [None] * 3  # the requested chunk is hidden
    assert [counts(event) for event in recorder.events] == [(176, 1024, 10) if metered else (0, 0, 0)] * 2
    assert ("stream_options" in provider.bodies[0]) is metered
    assert len([each for each in caplog.messages if "ended without usage" in each]) == (0 if metered else 1)


def test_a_billed_path_that_is_not_metered_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    client = instrument(_client("api.openai.com", _Provider()), recorder, org_id="o", feature="f")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            client.batches.create(input_file_id="f", endpoint="/v1/chat/completions", completion_window="24h")
            client.post("/threads/thread_1/runs", cast_to=object, body={})
        client.moderations.create(input="hi")  # free
    assert [message.partition(" is not metered")[0] for message in caplog.messages] == [
        "POST /batches of openai",
        "POST /threads/…/runs of openai",
    ]
    assert recorder.events == []


def test_google_methods_that_are_not_metered_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    from google import genai

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = instrument(genai.Client(api_key="k"), Recorder(), org_id="o", feature="f")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with pytest.raises(TypeError):
                client.batches.create(unknown=1)  # type: ignore[call-arg]
    assert [message.partition(" is not")[0] for message in caplog.messages] == ["batches.create of gemini"]


def test_the_clients_inside_of_a_langchain_model_are_instrumented() -> None:
    provider, recorder = _Provider(), Recorder()
    root = _client("api.openai.com", provider)
    model = SimpleNamespace(root_client=root, root_async_client=None)
    assert instrument(model, recorder, org_id="o", feature="f") is model
    list(root.chat.completions.create(model="gpt-4o", messages=HI, stream=True))
    assert counts(recorder.only) == (176, 1024, 10)
