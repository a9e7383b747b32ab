"""The real `openai` SDK against a local fake of the API: the caller's view, and the counted usage."""

from __future__ import annotations

import io

import openai
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI
from pydantic import BaseModel

from spendmeter_events.instrument import instrument, usage_context
from tests.support.fake_openai import CHAT, CHUNKS, HI, RESPONSE, async_client, client, counts, fake, plain, recorder
from tests.support.fake_provider import CUT, FakeProvider, Recorder

__all__ = ["async_client", "client", "fake", "plain", "recorder"]


def test_a_completion_is_returned_as_it_is_and_counted_once(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    fake.answer(body=CHAT)
    completion = client.chat.completions.create(model="gpt-4o", messages=HI)
    assert type(completion) is openai.types.chat.ChatCompletion
    assert completion.choices[0].message.content == "SECRET answer"
    event = recorder.only
    assert (event.org_id, event.feature, event.provider) == ("school-1", "tutor", "openai")
    assert (event.model, event.request_id) == ("gpt-4o-2024-08-06", "chatcmpl-1")
    assert (event.service, event.service_tier, event.status) == ("chat", "standard", "ok")
    assert counts(event) == (176, 1024, 10)
    assert event.latency_ms is not None
    assert (event.ttft_ms, event.streamed, event.tags) == (None, False, {})
    assert b"SECRET" not in event.to_json()


async def test_the_same_for_the_async_client(fake: FakeProvider, async_client: AsyncOpenAI, recorder: Recorder) -> None:
    fake.answer(body=CHAT)
    completion = await async_client.chat.completions.create(model="gpt-4o", messages=HI)
    assert type(completion) is openai.types.chat.ChatCompletion
    assert counts(recorder.only) == (176, 1024, 10)


def test_a_rejected_call_raises_the_same_error_and_records_no_prompt(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    message = {"message": "Rate limit reached for SECRET prompt", "code": "rate_limit_exceeded"}
    fake.answer(status=429, body={"error": message})
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=HI)
    assert caught.value.code == "rate_limit_exceeded"
    event = recorder.only
    assert (event.status, event.error_type, event.model) == ("error", "rate_limit_exceeded", "gpt-4o")
    assert event.error_message == "RateLimitError HTTP 429 rate_limit_exceeded"
    assert event.tags == {}  # a rejected call is not billed, so its usage is complete
    assert event.latency_ms is not None


def test_without_a_response_the_usage_is_missing(fake: FakeProvider, client: OpenAI, recorder: Recorder) -> None:
    fake.answer(body=CHAT, delay_s=2.0)
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.1).chat.completions.create(model="gpt-4o", messages=HI)
    event = recorder.only
    assert (event.status, event.error_type, event.tags) == ("error", "APITimeoutError", {"usage": "missing"})


def test_retries_are_one_call(fake: FakeProvider, plain: OpenAI, recorder: Recorder) -> None:
    client = instrument(plain.with_options(max_retries=2), recorder, org_id="o", feature="f")
    fake.answer(events=[CUT])
    fake.answer(body=CHAT)
    client.chat.completions.create(model="gpt-4o", messages=HI)
    assert len(fake.requests) == 2
    assert recorder.only.status == "ok"


def test_the_responses_api_its_parser_and_its_stream(fake: FakeProvider, client: OpenAI, recorder: Recorder) -> None:
    class Person(BaseModel):
        name: str

    fake.answer(body=RESPONSE)
    fake.answer(body=RESPONSE)
    events = [
        {"type": "response.created", "sequence_number": 0, "response": {**RESPONSE, "usage": None}},
        {"type": "response.completed", "sequence_number": 1, "response": RESPONSE},
    ]
    fake.answer(events=events)
    assert client.responses.create(model="gpt-5", input="hi").output_text == '{"name": "Ada"}'
    assert client.responses.parse(model="gpt-5", input="hi", text_format=Person).output_parsed == Person(name="Ada")
    with client.responses.stream(model="gpt-5", input="hi") as stream:
        final = stream.get_final_response()
    assert final.id == "resp_1"
    assert [(counts(event), event.reasoning_tokens) for event in recorder.events] == [((30, 0, 20), 8)] * 3
    assert [event.streamed for event in recorder.events] == [False, False, True]


def test_embeddings_images_speech_and_transcription(fake: FakeProvider, client: OpenAI, recorder: Recorder) -> None:
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    fake.answer(
        body={
            "object": "list",
            "data": [{"object": "embedding", "embedding": [0.5], "index": 0}],
            "model": "text-embedding-3-small",
            "usage": usage,
        }
    )
    image = {"total_tokens": 100, "input_tokens": 50, "output_tokens": 50}
    image["input_tokens_details"] = {"text_tokens": 10, "image_tokens": 40}  # type: ignore[assignment]
    fake.answer(
        body={"created": 1, "data": [{"b64_json": "aGk="}], "size": "1024x1024", "quality": "low", "usage": image}
    )
    fake.answer(raw=b"\xff\xf3sound", content_type="audio/mpeg")
    fake.answer(body={"text": "SECRET words", "usage": {"type": "duration", "seconds": 9}})
    client.embeddings.create(model="text-embedding-3-small", input="SECRET text")
    client.images.generate(model="gpt-image-1", prompt="SECRET picture")
    speech = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there")
    assert speech.read() == b"\xff\xf3sound"
    client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", io.BytesIO(b"x")))
    embedding, picture, spoken, heard = recorder.events
    assert (embedding.service, counts(embedding)) == ("embedding", (8, 0, 0))
    assert (picture.service, picture.images, counts(picture)) == ("image", 1, (10, 0, 0))
    assert (picture.input_image_tokens, picture.output_image_tokens) == (40, 50)
    assert picture.tags == {"image_size": "1024x1024", "image_quality": "low"}
    assert (picture.model, heard.model) == ("gpt-image-1", "whisper-1")
    assert (spoken.service, spoken.characters, spoken.model) == ("speech", 11, "tts-1")
    assert (heard.service, heard.audio_seconds) == ("transcription", 9.0)
    assert not any(b"SECRET" in event.to_json() for event in recorder.events)


def test_raw_responses_are_read_without_being_touched(fake: FakeProvider, client: OpenAI, recorder: Recorder) -> None:
    fake.answer(body=CHAT)
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HI)
    assert counts(recorder.only) == (176, 1024, 10)
    assert raw.parse().id == "chatcmpl-1"
    assert len(recorder.events) == 1


def test_a_raw_stream_is_followed_once_it_is_parsed(fake: FakeProvider, client: OpenAI, recorder: Recorder) -> None:
    fake.answer(events=CHUNKS)
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HI, stream=True)
    assert recorder.events == []
    assert raw.parse() is raw.parse()
    assert len(list(raw.parse())) == 4
    assert counts(recorder.only) == (176, 1024, 10)


def test_streaming_responses_parsed_or_read_as_bytes(fake: FakeProvider, client: OpenAI, recorder: Recorder) -> None:
    fake.answer(body=CHAT)
    with client.chat.completions.with_streaming_response.create(model="gpt-4o", messages=HI) as response:
        assert response.parse().id == "chatcmpl-1"
    fake.answer(body=CHAT)
    with client.chat.completions.with_streaming_response.create(model="gpt-4o", messages=HI) as response:
        assert b"chatcmpl-1" in response.read()
    fake.answer(raw=b"sound", content_type="audio/mpeg")
    with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="Hello") as speech:
        assert b"".join(speech.iter_bytes()) == b"sound"
    parsed, read, spoken = recorder.events
    assert (counts(parsed), parsed.tags) == ((176, 1024, 10), {})
    assert (counts(read), read.tags, read.model) == ((0, 0, 0), {"usage": "missing"}, "gpt-4o")
    assert (spoken.characters, spoken.tags) == (5, {})


async def test_async_streaming_responses(fake: FakeProvider, async_client: AsyncOpenAI, recorder: Recorder) -> None:
    fake.answer(body=CHAT)
    create = async_client.chat.completions.with_streaming_response.create
    async with create(model="gpt-4o", messages=HI) as response:
        assert (await response.parse()).id == "chatcmpl-1"
    fake.answer(body=CHAT)
    async with create(model="gpt-4o", messages=HI) as response:
        assert b"chatcmpl-1" in await response.read()
    assert [event.tags for event in recorder.events] == [{}, {"usage": "missing"}]


def test_calls_that_are_not_billed_by_usage_emit_no_event(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    fake.answer(body={"object": "list", "data": []})
    assert list(client.models.list()) == []
    assert recorder.events == []


async def test_neither_is_it_in_the_async_client(
    fake: FakeProvider, async_client: AsyncOpenAI, recorder: Recorder
) -> None:
    fake.answer(body={"object": "list", "data": []})
    assert (await async_client.models.list()).data == []
    assert recorder.events == []


def test_copies_are_metered_and_metering_twice_counts_once(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    again = Recorder()
    assert instrument(client, again, org_id="school-2", feature="grader") is client
    fake.answer(body=CHAT)
    client.with_options(timeout=5).copy().chat.completions.create(model="gpt-4o", messages=HI)
    assert recorder.events == []
    assert (again.only.org_id, again.only.feature) == ("school-2", "grader")


def test_azure_is_the_provider(fake: FakeProvider, recorder: Recorder) -> None:
    with AzureOpenAI(api_key="k", azure_endpoint=fake.url, api_version="2024-10-21") as plain:
        client = instrument(plain, recorder, org_id="o", feature="f", region="swedencentral")
        fake.answer(body=CHAT)
        client.chat.completions.create(model="my-deployment", messages=HI)
    assert fake.requests[0][0] == "/openai/deployments/my-deployment/chat/completions"
    event = recorder.only
    assert (event.provider, event.region, event.model) == ("azure", "swedencentral", "gpt-4o-2024-08-06")


async def test_async_azure_too(fake: FakeProvider, recorder: Recorder) -> None:
    async with AsyncAzureOpenAI(api_key="k", azure_endpoint=fake.url, api_version="2024-10-21") as plain:
        fake.answer(body=CHAT)
        client = instrument(plain, recorder, org_id="o", feature="f")
        await client.chat.completions.create(model="my-deployment", messages=HI)
    assert recorder.only.provider == "azure"


def test_a_compatible_service_is_read_in_its_own_dialect(fake: FakeProvider, plain: OpenAI, recorder: Recorder) -> None:
    client = instrument(plain, recorder, org_id="o", feature="f", provider="xai")
    usage = {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135}
    details = {"completion_tokens_details": {"reasoning_tokens": 94}, "cost_in_usd_ticks": 10**7}
    fake.answer(body={**CHAT, "model": "grok-4", "usage": usage | details})
    client.chat.completions.create(model="grok-4", messages=HI)
    event = recorder.only
    assert (event.provider, event.output_tokens, event.provider_cost_usd) == ("xai", 103, 0.001)


def test_counts_that_contradict_each_other_still_make_an_event(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    fake.answer(body={**CHAT, "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 11}})
    client.chat.completions.create(model="gpt-4o", messages=HI)
    assert (counts(recorder.only), recorder.only.tags) == ((5, 0, 5), {"usage": "inconsistent"})


def test_the_context_is_that_of_the_moment_the_call_started(
    fake: FakeProvider, client: OpenAI, recorder: Recorder
) -> None:
    fake.answer(events=CHUNKS)
    with usage_context(user_id="u-1", feature="essay", tags={"class": "5b"}):
        stream = client.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True)
    with usage_context(user_id="u-2"):
        list(stream)
    event = recorder.only
    assert (event.user_id, event.feature, event.tags) == ("u-1", "essay", {"class": "5b"})
