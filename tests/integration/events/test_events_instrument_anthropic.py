"""The real `anthropic` SDK against a local fake of the API: the caller's view, and the counted usage."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AnthropicVertex, AsyncAnthropic

from spendmeter_events.instrument import instrument
from tests.support.fake_provider import CUT, GATE, FakeProvider, Recorder, fake_provider

HI: list[Any] = [{"role": "user", "content": "SECRET prompt"}]
ASKED: dict[str, Any] = {"model": "claude-sonnet-5", "max_tokens": 100, "messages": HI}
USAGE = {
    "input_tokens": 25,
    "cache_read_input_tokens": 300,
    "cache_creation_input_tokens": 90,
    "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 50},
    "output_tokens": 15,
    "service_tier": "priority",
    "inference_geo": "us",
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-20260901",
    "content": [{"type": "text", "text": "SECRET answer"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}
START = {
    "type": "message_start",
    "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": {**USAGE, "output_tokens": 1}},
}
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}


def words(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


END = [
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 15},
    },
    {"type": "message_stop"},
]
EVENTS = [START, BLOCK, {"type": "ping"}, words("Hel"), words("lo"), *END]


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with fake_provider() as running:
        yield running


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def client(fake: FakeProvider, recorder: Recorder) -> Iterator[Anthropic]:
    with Anthropic(api_key="k", base_url=fake.url, max_retries=0) as client:
        yield instrument(client, recorder, org_id="school-1", feature="tutor", provider="anthropic")


@pytest.fixture
async def async_client(fake: FakeProvider, recorder: Recorder) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(api_key="k", base_url=fake.url, max_retries=0) as client:
        yield instrument(client, recorder, org_id="school-1", feature="tutor", provider="anthropic")


def counts(event: Any) -> tuple[int, int, int, int, int]:
    return (
        event.input_tokens,
        event.cache_read_tokens,
        event.cache_write_5m_tokens,
        event.cache_write_1h_tokens,
        event.output_tokens,
    )


def test_a_message_is_returned_as_it_is_and_counted_once(
    fake: FakeProvider, client: Anthropic, recorder: Recorder
) -> None:
    fake.answer(body=MESSAGE)
    message = client.messages.create(**ASKED)
    assert type(message) is anthropic.types.Message
    event = recorder.only
    assert (event.provider, event.model, event.request_id) == ("anthropic", MESSAGE["model"], "msg_1")
    assert (event.service_tier, event.region, event.status) == ("priority", "us", "ok")
    assert counts(event) == (25, 300, 40, 50, 15)
    assert b"SECRET" not in event.to_json()


async def test_the_same_for_the_async_client(
    fake: FakeProvider, async_client: AsyncAnthropic, recorder: Recorder
) -> None:
    fake.answer(body=MESSAGE)
    assert type(await async_client.messages.create(**ASKED)) is anthropic.types.Message
    assert counts(recorder.only) == (25, 300, 40, 50, 15)


def test_a_stream_stays_lazy_and_is_counted_at_its_end(
    fake: FakeProvider, client: Anthropic, recorder: Recorder
) -> None:
    fake.answer(events=[START, BLOCK, GATE, words("Hello"), *END])
    stream = client.messages.create(**ASKED, stream=True)
    assert type(stream) is anthropic.Stream
    assert next(stream).type == "message_start"
    assert recorder.events == []
    fake.gate.set()
    kinds = [event.type for event in stream]
    assert kinds[-1] == "message_stop"
    event = recorder.only
    assert counts(event) == (25, 300, 40, 50, 15)
    assert (event.streamed, event.tags, event.request_id) == (True, {}, "msg_1")
    assert 0 <= event.ttft_ms <= event.latency_ms


async def test_an_async_stream_too(fake: FakeProvider, async_client: AsyncAnthropic, recorder: Recorder) -> None:
    fake.answer(events=EVENTS)
    stream = await async_client.messages.create(**ASKED, stream=True)
    assert type(stream) is anthropic.AsyncStream
    assert len([event async for event in stream]) == 7  # the SDK does not return pings
    assert counts(recorder.only) == (25, 300, 40, 50, 15)


def test_the_stream_helper_gives_its_texts_and_final_message(
    fake: FakeProvider, client: Anthropic, recorder: Recorder
) -> None:
    fake.answer(events=EVENTS)
    with client.messages.stream(**ASKED) as stream:
        assert type(stream) is anthropic.MessageStream
        assert list(stream.text_stream) == ["Hel", "lo"]
        assert stream.get_final_message().usage.output_tokens == 15
    assert counts(recorder.only) == (25, 300, 40, 50, 15)
    assert recorder.only.status == "ok"


async def test_the_async_stream_helper_too(
    fake: FakeProvider, async_client: AsyncAnthropic, recorder: Recorder
) -> None:
    fake.answer(events=EVENTS)
    async with async_client.messages.stream(**ASKED) as stream:
        assert [text async for text in stream.text_stream] == ["Hel", "lo"]
        assert (await stream.get_final_message()).usage.output_tokens == 15
    assert counts(recorder.only) == (25, 300, 40, 50, 15)


def test_a_helper_left_early_is_cancelled_with_the_input_it_has_cost(
    fake: FakeProvider, client: Anthropic, recorder: Recorder
) -> None:
    fake.answer(events=[START, BLOCK, words("Hel"), GATE, *END])
    with client.messages.stream(**ASKED) as stream:
        for text in stream.text_stream:
            assert text == "Hel"
            break
    event = recorder.only
    assert (event.status, event.tags) == ("cancelled", {"usage": "aborted"})
    assert counts(event) == (25, 300, 40, 50, 1)


async def test_an_async_stream_closed_early_is_an_abort(
    fake: FakeProvider, async_client: AsyncAnthropic, recorder: Recorder
) -> None:
    fake.answer(events=[START, BLOCK, words("Hel"), GATE, *END])
    stream = await async_client.messages.create(**ASKED, stream=True)
    async for _ in stream:
        break
    await stream.close()
    assert (recorder.only.status, counts(recorder.only)) == ("cancelled", (25, 300, 40, 50, 1))


def test_a_dropped_stream_releases_its_connection_and_is_counted_by_the_next_call(
    fake: FakeProvider, client: Anthropic, recorder: Recorder
) -> None:
    fake.answer(events=[START, GATE, *END])
    stream = client.messages.create(**ASKED, stream=True)
    response = stream.response
    next(stream)
    del stream
    gc.collect()
    assert response.is_closed
    fake.gate.set()
    fake.answer(body=MESSAGE)
    client.messages.create(**ASKED)
    assert [event.status for event in recorder.events] == ["cancelled", "ok"]
    assert counts(recorder.events[0]) == (25, 300, 40, 50, 1)


def test_an_overloaded_provider_raises_the_same_and_is_an_error_event(
    fake: FakeProvider, client: Anthropic, recorder: Recorder
) -> None:
    error = {"type": "overloaded_error", "message": "Overloaded: SECRET prompt"}
    fake.answer(status=529, body={"type": "error", "error": error})
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(**ASKED)
    assert caught.value.status_code == 529
    event = recorder.only
    assert (event.status, event.error_type, event.model) == ("error", "overloaded_error", "claude-sonnet-5")
    assert event.error_message.endswith("HTTP 529 overloaded_error")
    assert (event.tags, counts(event)) == ({}, (0, 0, 0, 0, 0))
    assert b"SECRET" not in event.to_json()


def test_an_error_inside_a_stream_keeps_what_was_used_before(
    fake: FakeProvider, client: Anthropic, recorder: Recorder
) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "SECRET"}}
    fake.answer(events=[START, words("Hel"), error])
    with pytest.raises(anthropic.APIStatusError):
        list(client.messages.create(**ASKED, stream=True))
    event = recorder.only
    assert (event.status, event.error_type) == ("error", "overloaded_error")
    assert (event.tags, counts(event)) == ({"usage": "aborted"}, (25, 300, 40, 50, 1))


async def test_an_async_stream_cut_by_the_network_raises_what_the_sdk_raises(
    fake: FakeProvider, async_client: AsyncAnthropic, recorder: Recorder
) -> None:
    async with AsyncAnthropic(api_key="k", base_url=fake.url, max_retries=0) as plain:
        caught = []
        for each in (plain, async_client):
            fake.answer(events=[START, CUT])
            stream = await each.messages.create(**ASKED, stream=True)
            try:
                async for _ in stream:
                    pass
            except Exception as error:
                caught.append(type(error))
    assert len(caught) == 2
    assert caught[0] is caught[1]
    assert (recorder.only.status, recorder.only.tags) == ("error", {"usage": "aborted"})


def test_the_beta_messages_are_metered_and_counting_tokens_is_free(
    fake: FakeProvider, client: Anthropic, recorder: Recorder
) -> None:
    fake.answer(body=MESSAGE)
    fake.answer(body={"input_tokens": 12})
    client.beta.messages.create(**ASKED)
    assert client.messages.count_tokens(model="claude-sonnet-5", messages=HI).input_tokens == 12
    assert counts(recorder.only) == (25, 300, 40, 50, 15)


def test_raw_responses_and_copies(fake: FakeProvider, client: Anthropic, recorder: Recorder) -> None:
    fake.answer(body=MESSAGE)
    raw = client.with_options(timeout=5).messages.with_raw_response.create(**ASKED)
    assert raw.parse().id == "msg_1"
    fake.answer(body=MESSAGE)
    with client.messages.with_streaming_response.create(**ASKED) as response:
        assert response.parse().id == "msg_1"
    assert [counts(event) for event in recorder.events] == [(25, 300, 40, 50, 15)] * 2


def test_claude_on_vertex_is_billed_by_vertex(fake: FakeProvider, recorder: Recorder) -> None:
    with AnthropicVertex(region="europe-west1", project_id="p", access_token="t", base_url=f"{fake.url}/v1") as plain:
        client = instrument(plain, recorder, org_id="o", feature="f")
        fake.answer(body={**MESSAGE, "usage": {"input_tokens": 1, "output_tokens": 2}})
        client.messages.create(**ASKED)
    event = recorder.only
    assert (event.provider, event.region, counts(event)) == ("vertex", "europe-west1", (1, 0, 0, 0, 2))
    assert fake.requests[0][0].endswith(":rawPredict")
