"""Streams of the real `openai` SDK: lazy, closed, dropped, cut and cancelled as before, and counted."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from spendmeter_events.instrument import instrument
from tests.support.fake_openai import (
    CHAT,
    CHUNKS,
    DONE,
    HI,
    USAGE,
    WITHOUT_USAGE,
    async_client,
    chunk,
    client,
    counts,
    fake,
    plain,
    recorder,
)
from tests.support.fake_provider import CUT, GATE, FakeProvider, Recorder

__all__ = ["async_client", "client", "fake", "plain", "recorder"]


def test_a_stream_stays_lazy_and_is_counted_at_its_end(fake: FakeProvider, client: OpenAI, recorder: Recorder) -> None:
    """Given a provider that blocks after each chunk, when one chunk was read, then only that one was sent."""
    fake.answer(events=[CHUNKS[0], GATE, *CHUNKS[1:]])
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    assert type(stream) is openai.Stream
    assert next(stream).choices[0].delta.content == "Hel"
    assert fake.sent <= 1  # the rest waits at the gate
    assert recorder.events == []
    fake.gate.set()
    rest = list(stream)
    assert [each.usage is not None for each in rest] == [False, False, True]
    event = recorder.only
    assert counts(event) == (176, 1024, 10)
    assert (event.streamed, event.status, event.tags, event.model) == (True, "ok", {}, "gpt-4o-mini")
    assert 0 <= event.ttft_ms <= event.latency_ms


async def test_an_async_stream_too(fake: FakeProvider, async_client: AsyncOpenAI, recorder: Recorder) -> None:
    fake.answer(events=[CHUNKS[0], GATE, *CHUNKS[1:]])
    stream = await async_client.chat.completions.create(
        model="gpt-4o-mini", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    assert type(stream) is openai.AsyncStream
    assert (await anext(stream)).choices[0].delta.content == "Hel"
    assert fake.sent <= 1  # the rest waits at the gate
    assert recorder.events == []
    fake.gate.set()
    assert len([each async for each in stream]) == 3
    event = recorder.only
    assert counts(event) == (176, 1024, 10)
    assert 0 <= event.ttft_ms <= event.latency_ms


@pytest.mark.parametrize("stream_usage", [False, True])
def test_every_chunk_is_the_same_with_and_without_metering(
    fake: FakeProvider, plain: OpenAI, recorder: Recorder, stream_usage: bool
) -> None:
    metered = instrument(plain.copy(), recorder, org_id="school-1", feature="tutor", stream_usage=stream_usage)
    seen = []
    for each_client in (plain, metered):
        fake.answer(events=CHUNKS if stream_usage and each_client is metered else WITHOUT_USAGE)
        stream = each_client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True)
        seen.append([each.model_dump() for each in stream])
    assert seen[0] == seen[1]
    assert len(recorder.events) == 1


def test_a_stream_without_requested_usage_is_missing(fake: FakeProvider, client: OpenAI, recorder: Recorder) -> None:
    fake.answer(events=WITHOUT_USAGE)
    assert len(list(client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True))) == 3
    assert "stream_options" not in fake.requests[0][1]
    event = recorder.only
    assert (event.status, event.tags, counts(event)) == ("ok", {"usage": "missing"}, (0, 0, 0))


def test_requested_usage_is_hidden_from_the_caller(fake: FakeProvider, plain: OpenAI, recorder: Recorder) -> None:
    client = instrument(plain, recorder, org_id="school-1", feature="tutor", stream_usage=True)
    fake.answer(events=CHUNKS)
    seen = list(client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True))
    assert [each.choices[0].delta.content for each in seen] == ["Hel", "lo", None]
    assert fake.requests[0][1]["stream_options"] == {"include_usage": True}
    assert (counts(recorder.only), recorder.only.tags) == ((176, 1024, 10), {})


async def test_usage_can_be_requested_in_async_streams_too(fake: FakeProvider, recorder: Recorder) -> None:
    async with AsyncOpenAI(api_key="k", base_url=f"{fake.url}/v1") as plain:
        client = instrument(plain, recorder, org_id="o", feature="f", stream_usage=True)
        fake.answer(events=CHUNKS)
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True)
        assert len([each async for each in stream]) == 3
    assert counts(recorder.only) == (176, 1024, 10)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_caller_who_has_decided_about_usage_is_left_alone(
    fake: FakeProvider, plain: OpenAI, recorder: Recorder, wanted: bool
) -> None:
    client = instrument(plain, recorder, org_id="school-1", feature="tutor", stream_usage=True)
    fake.answer(events=CHUNKS if wanted else WITHOUT_USAGE)
    options: Any = {"include_usage": wanted}
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True, stream_options=options)
    assert len(list(stream)) == (4 if wanted else 3)
    assert fake.requests[0][1]["stream_options"] == {"include_usage": wanted}


def test_a_closed_stream_is_cancelled_with_the_counts_so_far(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    fake.answer(events=[CHUNKS[0], GATE, *CHUNKS[1:]])
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True)
    next(stream)
    stream.close()
    assert stream.response.is_closed
    event = recorder.only
    assert (event.status, event.tags, event.request_id) == ("cancelled", {"usage": "aborted"}, "chatcmpl-2")
    stream.close()
    assert recorder.only is event


def test_leaving_a_with_block_early_is_an_abort(fake: FakeProvider, client: OpenAI, recorder: Recorder) -> None:
    fake.answer(events=[CHUNKS[0], GATE, *CHUNKS[1:]])
    with client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True) as stream:
        for _ in stream:
            break
    assert recorder.only.status == "cancelled"


async def test_an_async_stream_closed_early_is_an_abort(
    fake: FakeProvider, async_client: AsyncOpenAI, recorder: Recorder
) -> None:
    fake.answer(events=[CHUNKS[0], GATE, *CHUNKS[1:]])
    async with await async_client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True) as stream:
        await anext(stream)
    assert recorder.only.status == "cancelled"
    assert recorder.only.tags == {"usage": "aborted"}


def test_a_dropped_stream_is_counted_by_the_next_call_at_the_time_it_was_dropped(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    fake.answer(events=[CHUNKS[0], GATE, *CHUNKS[1:]])
    for _ in client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True):
        break
    gc.collect()
    fake.gate.set()
    fake.answer(body=CHAT)
    client.chat.completions.create(model="gpt-4o", messages=HI)
    dropped, completed = recorder.events
    assert (dropped.status, dropped.tags["usage"]) == ("cancelled", "aborted")
    assert completed.status == "ok"
    assert dropped.occurred_at <= completed.occurred_at


def test_a_stream_left_after_its_last_word_was_served_whole(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    """Given a finish reason and the usage in one chunk, when the rest is not read, then the call is complete."""
    fake.answer(events=[chunk("Hi", finish="stop") | {"usage": USAGE}, GATE, DONE])
    with client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True) as stream:
        next(stream)
    assert (recorder.only.status, recorder.only.tags) == ("ok", {})
    assert counts(recorder.only) == (176, 1024, 10)


async def test_a_cancelled_task_gets_its_cancellation_and_the_call_is_counted(
    fake: FakeProvider, async_client: AsyncOpenAI, recorder: Recorder
) -> None:
    fake.answer(events=[CHUNKS[0], GATE, *CHUNKS[1:]])
    read = asyncio.Event()

    async def reader() -> None:
        stream = await async_client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True)
        async for _ in stream:
            read.set()

    task = asyncio.create_task(reader())
    await read.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    event = recorder.only
    assert (event.status, event.error_type, event.tags) == (
        "cancelled",
        "CancelledError",
        {"usage": "aborted"},
    )


def test_a_stream_cut_by_the_network_raises_what_the_sdk_raises(
    fake: FakeProvider, client: OpenAI, plain: OpenAI, recorder: Recorder
) -> None:
    fake.answer(events=[CHUNKS[0], CUT])
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True)
    with pytest.raises(openai.APIConnectionError):
        list(stream)
    event = recorder.only
    assert (event.status, event.error_type) == ("error", "APIConnectionError")
    assert event.tags == {"usage": "aborted"}


def test_an_error_inside_a_stream_is_the_callers_and_an_event(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    error = {"error": {"message": "SECRET words", "type": "server_error", "code": "overloaded"}}
    fake.answer(events=[CHUNKS[0], error])
    with pytest.raises(openai.APIError, match="SECRET words"):
        list(client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True))
    event = recorder.only
    assert (event.status, event.error_type) == ("error", "overloaded")
    assert event.error_message == "APIError overloaded"


async def test_a_refused_async_stream_raises_before_it_begins(
    fake: FakeProvider, async_client: AsyncOpenAI, recorder: Recorder
) -> None:
    fake.answer(status=400, body={"error": {"message": "no", "code": None, "type": "invalid_request_error"}})
    with pytest.raises(openai.BadRequestError):
        await async_client.chat.completions.create(model="gpt-4o", messages=HI, stream=True)
    assert (recorder.only.error_type, recorder.only.streamed) == ("invalid_request_error", True)


def test_the_chat_stream_helper_closed_early_is_an_abort(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    fake.answer(events=[CHUNKS[0], GATE, *CHUNKS[1:]])
    with client.chat.completions.stream(model="gpt-4o-mini", messages=HI) as stream:
        next(iter(stream))
    assert (recorder.only.status, recorder.only.tags) == ("cancelled", {"usage": "aborted"})


def test_a_stream_that_ends_in_a_failure_is_an_error_with_its_type(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    body = {"id": "resp_9", "object": "response", "created_at": 1, "model": "gpt-5", "output": [], "tools": []}
    error = {"code": "server_error", "message": "quotes the prompt"}
    fake.answer(
        events=[
            {"type": "response.created", "sequence_number": 0, "response": body | {"status": "in_progress"}},
            {"type": "response.failed", "sequence_number": 1, "response": body | {"status": "failed", "error": error}},
        ]
    )
    events = list(client.responses.create(model="gpt-5", input="hi", stream=True))
    assert [event.type for event in events] == ["response.created", "response.failed"]
    assert (recorder.only.status, recorder.only.error_type) == ("error", "server_error")
    assert "prompt" not in recorder.only.to_json().decode()


def test_a_response_that_failed_is_an_error_with_what_it_used(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 11,
    }
    error = {"code": "rate_limit_exceeded", "message": "slow down"}
    fake.answer(body={"id": "resp_8", "model": "gpt-5", "status": "failed", "error": error, "usage": usage})
    client.responses.create(model="gpt-5", input="hi")
    event = recorder.only
    assert (event.status, event.error_type) == ("error", "rate_limit_exceeded")
    assert (event.input_tokens, event.cache_read_tokens, event.output_tokens) == (6, 4, 1)
