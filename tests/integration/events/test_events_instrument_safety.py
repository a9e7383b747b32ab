"""Metering must never fail or delay a call, import an SDK, or leak the conversation."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from anthropic import AnthropicBedrock, AnthropicFoundry
from openai import OpenAI
from pydantic import ValidationError

from spendmeter_events import UsageEvent, extract
from spendmeter_events.instrument import EmitsUsage, instrument
from spendmeter_events.instrument._call import finish_abandoned
from tests.support.fake_openai import CHAT, HI, fake, plain
from tests.support.fake_provider import FakeProvider, Recorder

__all__ = ["fake", "plain"]


def chat(client: OpenAI, fake: FakeProvider) -> Any:
    fake.answer(body=CHAT)
    return client.chat.completions.create(model="gpt-4o", messages=HI)


def test_a_producer_that_raises_costs_the_event_and_never_the_call(
    fake: FakeProvider, plain: OpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def emit(self, event: UsageEvent) -> None:
            raise RuntimeError("SECRET of the producer")

    client = instrument(plain, Broken(), org_id="o", feature="f")
    with caplog.at_level(logging.WARNING, logger="spendmeter_events.instrument"):
        assert chat(client, fake).id == "chatcmpl-1"
    assert [record.getMessage() for record in caplog.records] == ["a call was not metered: RuntimeError in complete"]


def test_an_unexpected_response_is_an_event_with_missing_usage(fake: FakeProvider, plain: OpenAI) -> None:
    recorder = Recorder()
    client = instrument(plain, recorder, org_id="o", feature="f")
    fake.answer(body=["not", "an", "object"])
    assert client.chat.completions.create(model="gpt-4o", messages=HI) == ["not", "an", "object"]  # type: ignore[comparison-overlap]
    assert (recorder.only.model, recorder.only.tags) == ("gpt-4o", {"usage": "missing"})


def test_calls_of_many_threads_are_all_counted(fake: FakeProvider, plain: OpenAI) -> None:
    recorder = Recorder()
    client = instrument(plain, recorder, org_id="o", feature="f")
    for _ in range(40):
        fake.answer(body=CHAT)

    def work() -> None:
        for _ in range(5):
            client.chat.completions.create(model="gpt-4o", messages=HI)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({event.event_id for event in recorder.events}) == 40


def test_a_finalizer_never_emits_by_itself(fake: FakeProvider, plain: OpenAI) -> None:
    """Given a producer that is locked during garbage collection, then no finalizer waits for its lock."""
    lock = threading.Lock()

    class Locked(Recorder):
        def emit(self, event: Any) -> bool:
            with lock:
                return super().emit(event)

    recorder = Locked()
    client = instrument(plain, recorder, org_id="o", feature="f")
    chunk = {"id": "c2", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    fake.answer(events=[chunk, chunk])
    stream = client.chat.completions.create(model="m", messages=HI, stream=True)
    next(stream)
    with lock:
        del stream
        gc.collect()
    assert recorder.events == []
    finish_abandoned()
    assert recorder.only.status == "cancelled"


def test_wrong_defaults_are_refused_when_they_are_given(plain: OpenAI) -> None:
    with pytest.raises(ValidationError):
        instrument(plain, Recorder(), org_id="", feature="f")
    with pytest.raises(ValidationError):
        instrument(plain, Recorder(), org_id="o", feature="f", colour="red")
    assert "request" not in vars(plain)


@pytest.mark.parametrize("other", [object(), {}, SimpleNamespace(request=print)])
def test_any_other_client_is_refused(other: object) -> None:
    with pytest.raises(TypeError, match="is not a client of openai, anthropic or google-genai"):
        instrument(other, Recorder(), org_id="o", feature="f")


@pytest.mark.parametrize(
    ("base_url", "provider", "region"),
    [
        ("https://api.openai.com/v1", "openai", ""),
        ("https://eu.api.openai.com/v1", "openai", "eu"),
        ("https://xx.api.openai.com/v1", "openai", ""),
        ("https://me.openai.azure.com/openai/v1/", "azure", ""),
        ("https://bedrock-mantle.eu-west-1.api.aws/openai/v1", "bedrock", "eu-west-1"),
        ("https://us-east5-aiplatform.googleapis.com/v1/projects/p", "vertex", "us-east5"),
        ("https://aiplatform.googleapis.com/v1/projects/p", "vertex", ""),
        ("https://api.x.ai/v1", "xai", ""),
        ("https://openrouter.ai/api/v1", "openrouter", ""),
        ("https://api.deepseek.com", "deepseek", ""),
        ("https://api.mistral.ai/v1", "mistral", ""),
        ("https://api.groq.com/openai/v1", "groq", ""),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini", ""),
        ("http://localhost:11434/v1", "ollama", ""),
        ("http://localhost:4000/v1", "localhost", ""),
        ("https://litellm.school.example/v1", "litellm.school.example", ""),
        ("https://api.openai.com.proxy.example/v1", "api.openai.com.proxy.example", ""),
        ("https://api.fireworks.ai/inference/v1", "fireworks", ""),
        ("https://api.perplexity.ai", "perplexity", ""),
        ("https://api.cerebras.ai/v1", "cerebras", ""),
        ("https://api.moonshot.ai/v1", "moonshotai", ""),
        ("https://api.z.ai/api/paas/v4/", "zai", ""),
        ("https://api.voyageai.com/v1", "voyageai", ""),
        ("https://api.together.ai/v1", "together", ""),
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "alibaba", ""),
    ],
)
def test_the_provider_follows_from_the_base_url(base_url: str, provider: str, region: str) -> None:
    recorder = Recorder()
    with OpenAI(api_key="k", base_url=base_url, max_retries=0) as plain:
        client = instrument(plain, recorder, org_id="o", feature="f")
        # Fails before a request is sent: only the event matters.
        with pytest.raises(TypeError):
            client.post("/embeddings", cast_to=object, body={"model": "m", "input": object()})
    event = recorder.only
    assert (event.provider, event.region, event.status) == (provider, region, "error")


class Changed:
    """A client of a changed SDK, whose streams cannot be wrapped."""

    __module__ = "openai.future"
    base_url = "https://api.openai.com/v2"

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def request(self, cast_to: object, options: object, **kwargs: object) -> object:
        return self._answer

    def copy(self) -> Changed:
        return self

    with_options = copy


class Sealed:
    """A stream whose iterator cannot be replaced."""

    __slots__ = ()
    _iterator = property(lambda self: iter([1, 2]))

    def __iter__(self) -> Iterator[int]:
        return iter(self._iterator)


def test_an_sdk_that_has_changed_costs_the_metering_and_never_the_call() -> None:
    recorder = Recorder()
    client = instrument(Changed(Sealed()), recorder, org_id="o", feature="f")
    options = SimpleNamespace(url="/chat/completions", method="post", json_data=None)
    assert list(client.request(object, options, stream=True)) == [1, 2]  # type: ignore[call-overload]
    assert (recorder.only.model, recorder.only.tags) == ("unknown", {"usage": "missing"})


def test_a_google_client_of_another_version_is_metered_where_it_can_be() -> None:
    class Models:
        def generate_content(self, *, model: str) -> object:
            return {"usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 5}, "modelVersion": model}

    class Client:
        __module__ = "google.genai.future"
        models = Models()

    recorder = Recorder()
    client = instrument(Client(), recorder, org_id="o", feature="f")
    client.models.generate_content(model="gemini-4")
    assert (recorder.only.model, recorder.only.input_tokens) == ("gemini-4", 3)


@pytest.mark.parametrize(
    ("client", "provider", "region"),
    [
        (AnthropicBedrock(aws_region="eu-west-1", aws_access_key="a", aws_secret_key="b"), "bedrock", "eu-west-1"),
        (AnthropicFoundry(api_key="k", resource="r"), "azure", ""),
    ],
)
def test_the_provider_follows_from_the_clients_class(client: Any, provider: str, region: str) -> None:
    recorder = Recorder()
    metered = instrument(client, recorder, org_id="o", feature="f")
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any error of the SDK for an invalid request
        metered.post("/v1/messages", cast_to=object, body={"model": "m", "messages": object()})
    event = recorder.only
    assert (event.provider, event.region, event.status) == (provider, region, "error")
    assert event.error_type == type(caught.value).__name__


def test_the_protocol_is_what_a_producer_has() -> None:
    producer: EmitsUsage = Recorder()
    assert producer.emit(UsageEvent.now(org_id="o", feature="f", provider="p", model="m"))


def test_no_sdk_is_imported() -> None:
    code = (
        "import sys, spendmeter_events.instrument, spendmeter_events.extract\n"
        "print([name for name in ('openai', 'anthropic', 'google.genai', 'boto3') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_streams_dropped_before_the_end_of_the_process_are_counted(fake: FakeProvider) -> None:
    chunk = {"id": "c2", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    fake.answer(events=[chunk, chunk])
    code = f"""
import gc
from openai import OpenAI
from spendmeter_events.instrument import instrument
class Printer:
    def emit(self, event):
        print(event.status, event.tags)
client = instrument(OpenAI(api_key="k", base_url="{fake.url}/v1"), Printer(), org_id="o", feature="f")
for _ in client.chat.completions.create(model="m", messages=[], stream=True):
    break
gc.collect()
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "cancelled {'usage': 'aborted'}\n"
    assert "Traceback" not in result.stderr


def test_the_public_surface() -> None:
    from spendmeter_events import instrument as package

    assert package.__all__ == ["EmitsUsage", "instrument", "usage_context"]
    assert extract.__all__ == [
        "COST_SOURCE_TAG",
        "TOKEN_BUCKETS",
        "UNREAD_TAG",
        "USAGE_TAG",
        "InconsistentUsage",
        "State",
        "Usage",
        "from_anthropic",
        "from_bedrock",
        "from_cohere",
        "from_deepseek",
        "from_gemini",
        "from_mistral",
        "from_ollama",
        "from_openai",
        "from_openrouter",
        "from_otel",
        "from_perplexity",
        "from_xai",
        "usage_of",
    ]
