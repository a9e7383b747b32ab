"""`usage_context` sets the user and the feature of the calls within."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from spendmeter_events.instrument import instrument, usage_context
from tests.support.fake_openai import CHAT, HI, fake, plain
from tests.support.fake_provider import FakeProvider, Recorder

__all__ = ["fake", "plain"]


def chat(client: OpenAI, fake: FakeProvider) -> Any:
    fake.answer(body=CHAT)
    return client.chat.completions.create(model="gpt-4o", messages=HI)


def test_a_context_that_no_event_can_have_costs_that_field_only(fake: FakeProvider, plain: OpenAI) -> None:
    recorder = Recorder()
    client = instrument(plain, recorder, org_id="o", feature="f", tags={"app": "web"})
    with usage_context(org_id="", feature="x" * 500, user_id="u-1", tags={"k" * 65: "v"}):
        chat(client, fake)
    event = recorder.only
    assert (event.org_id, event.feature, event.user_id, event.tags) == ("o", "f", "u-1", {})
    assert event.input_tokens == 176


def test_tags_of_the_call_win_and_are_never_too_many(fake: FakeProvider, plain: OpenAI) -> None:
    recorder = Recorder()
    client = instrument(plain, recorder, org_id="o", feature="f", tags={"app": "web", "team": "a"})
    with usage_context(tags={f"t{number}": "x" for number in range(15)} | {"app": "mobile"}):
        fake.answer(body={**CHAT, "usage": None})
        client.chat.completions.create(model="gpt-4o", messages=HI)
    tags = recorder.only.tags
    assert len(tags) == 16
    assert tags["usage"] == "missing"
    assert "team" not in tags


def test_contexts_nest_and_end(fake: FakeProvider, plain: OpenAI) -> None:
    recorder = Recorder()
    client = instrument(plain, recorder, org_id="o", feature="f", user_id="system")
    with usage_context(user_id="u-1", tags={"a": "1"}):
        with usage_context(feature="essay", action="title_generation", key_source="byok", tags={"b": "2"}):
            chat(client, fake)
        chat(client, fake)
    chat(client, fake)
    inner, outer, none = recorder.events
    assert (inner.user_id, inner.feature, inner.action) == ("u-1", "essay", "title_generation")
    assert (inner.key_source, inner.tags) == ("byok", {"a": "1", "b": "2"})
    assert (outer.user_id, outer.feature, outer.tags) == ("u-1", "f", {"a": "1"})
    assert (none.user_id, none.feature, none.tags) == ("system", "f", {})


async def test_contexts_of_tasks_do_not_meet(fake: FakeProvider, plain: OpenAI) -> None:
    recorder = Recorder()
    client = instrument(plain, recorder, org_id="o", feature="f")

    async def one(user: str) -> None:
        with usage_context(user_id=user):
            await asyncio.sleep(0)
            await asyncio.to_thread(chat, client, fake)

    await asyncio.gather(*(one(f"u-{number}") for number in range(5)))
    assert sorted(event.user_id for event in recorder.events) == [f"u-{number}" for number in range(5)]


def test_a_context_may_be_left_in_another_context_than_it_was_entered() -> None:
    """Given a framework that runs the two halves of a generator in two contexts, then exiting raises nothing."""

    def half() -> Iterator[None]:
        with usage_context(user_id="u-1"):
            yield

    generator = half()
    contextvars.copy_context().run(next, generator)
    with pytest.raises(StopIteration):
        contextvars.copy_context().run(next, generator)
