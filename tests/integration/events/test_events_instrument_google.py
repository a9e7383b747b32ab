"""The real `google-genai` SDK against a local fake of the API: the caller's view, and the counted usage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import AsyncGeneratorType, GeneratorType
from typing import Any

import httpx
import pytest
from google import genai
from google.auth.credentials import AnonymousCredentials
from google.genai import errors, types

from spendmeter_events.instrument import instrument, usage_context
from tests.support.fake_provider import CUT, GATE, FakeProvider, Recorder, fake_provider

MODEL = "gemini-2.5-flash"


def answer(text: str, *, finish: str | None = "STOP", output: int = 5, total: int = 115) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    usage = {
        "promptTokenCount": 10,
        "cachedContentTokenCount": 4,
        "candidatesTokenCount": output,
        "thoughtsTokenCount": 100,
        "totalTokenCount": total,
    }
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": f"{MODEL}-001",
        "responseId": "r1",
    }


CHUNKS = [answer("SECRET Hel", finish=None, output=1, total=111), answer("lo")]


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with fake_provider() as running:
        yield running


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def client(fake: FakeProvider, recorder: Recorder) -> genai.Client:
    plain = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=fake.url))
    return instrument(plain, recorder, org_id="school-1", feature="tutor", provider="gemini")


def counts(event: Any) -> tuple[int, int, int, int]:
    return event.input_tokens, event.cache_read_tokens, event.output_tokens, event.reasoning_tokens


def test_content_is_returned_as_it_is_and_counted_once(
    fake: FakeProvider, client: genai.Client, recorder: Recorder
) -> None:
    fake.answer(body=answer("SECRET answer"))
    response = client.models.generate_content(model=MODEL, contents="SECRET prompt")
    assert type(response) is types.GenerateContentResponse
    assert response.text == "SECRET answer"
    event = recorder.only
    assert (event.provider, event.model) == ("gemini", f"{MODEL}-001")
    assert (event.service, event.status, event.streamed) == ("chat", "ok", False)
    assert counts(event) == (6, 4, 105, 100)
    assert b"SECRET" not in event.to_json()


async def test_the_same_for_the_async_side(fake: FakeProvider, client: genai.Client, recorder: Recorder) -> None:
    fake.answer(body=answer("Hi"))
    response = await client.aio.models.generate_content(model=MODEL, contents="hi")
    assert type(response) is types.GenerateContentResponse
    assert counts(recorder.only) == (6, 4, 105, 100)


def test_a_stream_stays_lazy_and_is_counted_at_its_end(
    fake: FakeProvider, client: genai.Client, recorder: Recorder
) -> None:
    stream = client.models.generate_content_stream(model=MODEL, contents="hi")
    assert isinstance(stream, GeneratorType)
    assert fake.requests == []  # no request before the first read
    fake.answer(events=[CHUNKS[0], GATE, CHUNKS[1]])
    assert next(stream).text == "SECRET Hel"
    assert fake.sent <= 1  # the rest waits at the gate
    assert recorder.events == []
    fake.gate.set()
    assert [chunk.text for chunk in stream] == ["lo"]
    event = recorder.only
    assert counts(event) == (6, 4, 105, 100)
    assert (event.streamed, event.tags) == (True, {})
    assert 0 <= event.ttft_ms <= event.latency_ms


async def test_an_async_stream_too(fake: FakeProvider, client: genai.Client, recorder: Recorder) -> None:
    fake.answer(events=[CHUNKS[0], GATE, CHUNKS[1]])
    stream = await client.aio.models.generate_content_stream(model=MODEL, contents="hi")
    assert isinstance(stream, AsyncGeneratorType)
    assert (await anext(stream)).text == "SECRET Hel"
    assert recorder.events == []
    fake.gate.set()
    assert [chunk.text async for chunk in stream] == ["lo"]
    assert counts(recorder.only) == (6, 4, 105, 100)


def test_an_unread_stream_sends_no_request_and_emits_no_event(
    fake: FakeProvider, client: genai.Client, recorder: Recorder
) -> None:
    stream = client.models.generate_content_stream(model=MODEL, contents="hi")
    del stream
    gc.collect()
    fake.answer(body=answer("Hi"))
    client.models.generate_content(model=MODEL, contents="hi")
    assert recorder.only.streamed is False
    assert len(fake.requests) == 1


def test_a_stream_left_early_is_an_abort(fake: FakeProvider, client: genai.Client, recorder: Recorder) -> None:
    fake.answer(events=[CHUNKS[0], GATE, CHUNKS[1]])
    for chunk in client.models.generate_content_stream(model=MODEL, contents="hi"):
        assert chunk.text == "SECRET Hel"
        break
    gc.collect()
    event = recorder.only
    assert (event.status, event.tags, counts(event)) == (
        "cancelled",
        {"usage": "aborted"},
        (6, 4, 101, 100),
    )


async def test_an_async_stream_closed_early_is_an_abort(
    fake: FakeProvider, client: genai.Client, recorder: Recorder
) -> None:
    fake.answer(events=[CHUNKS[0], GATE, CHUNKS[1]])
    stream = await client.aio.models.generate_content_stream(model=MODEL, contents="hi")
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    del stream
    gc.collect()
    fake.answer(body=answer("Hi"))
    await client.aio.models.generate_content(model=MODEL, contents="hi")
    assert [event.status for event in recorder.events] == ["cancelled", "ok"]
    assert counts(recorder.events[0]) == (6, 4, 101, 100)


def refused() -> dict[str, Any]:
    return {"error": {"code": 429, "message": "SECRET prompt", "status": "RESOURCE_EXHAUSTED"}}


def test_a_refused_call_raises_the_same_and_is_an_error_event(
    fake: FakeProvider, client: genai.Client, recorder: Recorder
) -> None:
    fake.answer(status=429, body=refused())
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model=MODEL, contents="SECRET prompt")
    assert caught.value.code == 429
    event = recorder.only
    assert (event.status, event.error_type, event.model) == ("error", "RESOURCE_EXHAUSTED", MODEL)
    assert event.error_message == "ClientError HTTP 429 RESOURCE_EXHAUSTED"
    assert event.tags == {}


async def test_a_refused_async_call_and_streams(fake: FakeProvider, client: genai.Client, recorder: Recorder) -> None:
    for _ in range(3):
        fake.answer(status=429, body=refused())
    with pytest.raises(errors.ClientError):
        await client.aio.models.generate_content(model=MODEL, contents="hi")
    with pytest.raises(errors.ClientError):
        async for _ in await client.aio.models.generate_content_stream(model=MODEL, contents="hi"):
            pass
    with pytest.raises(errors.ClientError):
        list(client.models.generate_content_stream(model=MODEL, contents="hi"))
    assert [(event.error_type, event.streamed) for event in recorder.events] == [
        ("RESOURCE_EXHAUSTED", False),
        ("RESOURCE_EXHAUSTED", True),
        ("RESOURCE_EXHAUSTED", True),
    ]


def test_a_stream_cut_by_the_network_keeps_what_was_used(
    fake: FakeProvider, client: genai.Client, recorder: Recorder
) -> None:
    fake.answer(events=[CHUNKS[0], CUT])
    stream = client.models.generate_content_stream(model=MODEL, contents="hi")
    next(stream)
    with pytest.raises(httpx.HTTPError):
        next(stream)
    event = recorder.only
    assert (event.status, event.tags, counts(event)) == ("error", {"usage": "aborted"}, (6, 4, 101, 100))


def test_each_request_of_automatic_function_calling_is_counted(
    fake: FakeProvider, client: genai.Client, recorder: Recorder
) -> None:
    """Given a tool that the SDK calls automatically, then each of its two requests is an event."""

    def weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    asking = answer("")
    asking["candidates"][0]["content"]["parts"] = [{"functionCall": {"name": "weather", "args": {"city": "Pune"}}}]
    fake.answer(body=asking)
    fake.answer(body=answer("It is sunny."))
    config = types.GenerateContentConfig(tools=[weather])
    response = client.models.generate_content(model=MODEL, contents="Weather in Pune?", config=config)
    assert response.text == "It is sunny."
    assert [counts(event) for event in recorder.events] == [(6, 4, 105, 100)] * 2


def test_chats_go_through_the_same_models(fake: FakeProvider, client: genai.Client, recorder: Recorder) -> None:
    fake.answer(body=answer("Hi"))
    with usage_context(conversation_id="c-7"):
        assert client.chats.create(model=MODEL).send_message("hi").text == "Hi"
    assert recorder.only.conversation_id == "c-7"


def test_embeddings_and_images(fake: FakeProvider, client: genai.Client, recorder: Recorder) -> None:
    fake.answer(body={"embeddings": [{"values": [0.5]}]})
    fake.answer(body={"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": "aGk="}]})
    client.models.embed_content(model="gemini-embedding-001", contents="SECRET text")
    client.models.generate_images(model="imagen-4.0-generate-001", prompt="SECRET picture")
    embedding, picture = recorder.events
    assert (embedding.service, embedding.model) == ("embedding", "gemini-embedding-001")
    assert embedding.tags == {"usage": "missing"}  # AI Studio does not report it
    assert (picture.service, picture.images, picture.model) == ("image", 1, "imagen-4.0-generate-001")


def test_vertex_reports_its_region_and_tier(fake: FakeProvider, recorder: Recorder) -> None:
    plain = genai.Client(
        vertexai=True,
        project="p",
        location="europe-west4",
        credentials=Credentials(),  # type: ignore[no-untyped-call]
        http_options=types.HttpOptions(base_url=fake.url),
    )
    client = instrument(plain, recorder, org_id="o", feature="f")
    body = answer("Hi")
    body["usageMetadata"]["trafficType"] = "PROVISIONED_THROUGHPUT"
    fake.answer(body=body)
    client.models.generate_content(model=MODEL, contents="hi")
    event = recorder.only
    assert (event.provider, event.region, event.service_tier) == ("vertex", "europe-west4", "provisioned")


class Credentials(AnonymousCredentials):
    """Credentials that the fake accepts."""

    def refresh(self, request: object) -> None:
        self.token = "t"


def test_metering_twice_counts_once(fake: FakeProvider, client: genai.Client, recorder: Recorder) -> None:
    again = Recorder()
    instrument(client, again, org_id="school-2", feature="grader")
    fake.answer(body=answer("Hi"))
    client.models.generate_content(model=MODEL, contents="hi")
    assert recorder.events == []
    assert again.only.org_id == "school-2"


async def test_the_async_side_alone_can_be_metered(fake: FakeProvider, recorder: Recorder) -> None:
    plain = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=fake.url))
    side = instrument(plain.aio, recorder, org_id="o", feature="f")
    fake.answer(body=answer("Hi"))
    fake.answer(body=answer("Hi"))
    await side.models.generate_content(model=MODEL, contents="hi")
    plain.models.generate_content(model=MODEL, contents="hi")
    assert len(recorder.events) == 1
