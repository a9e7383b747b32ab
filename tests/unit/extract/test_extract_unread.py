"""Unread counts of a usage section in any spelling, and values that are not set."""

from __future__ import annotations

import dataclasses
import enum
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CompletionUsage
from pydantic_core import PydanticUndefined

from spendmeter_events import extract
from spendmeter_events.extract import Usage
from spendmeter_events.extract._sections.unread import looks_like_count

SHAPES = {
    "from_openai": ("usage", "prompt_tokens", "completion_tokens", "prompt_tokens_details"),
    "from_anthropic": ("usage", "input_tokens", "output_tokens", "cache_creation"),
    "from_bedrock": ("usage", "inputTokens", "outputTokens", "cacheDetail"),
    "from_cohere": ("usage", "prompt_tokens", "completion_tokens", "prompt_tokens_details"),
    "from_gemini": ("usageMetadata", "promptTokenCount", "candidatesTokenCount", "promptDetails"),
    "from_xai": ("usage", "prompt_tokens", "completion_tokens", "prompt_tokens_details"),
    "from_openrouter": ("usage", "prompt_tokens", "completion_tokens", "prompt_tokens_details"),
    "from_mistral": ("usage", "prompt_tokens", "completion_tokens", "prompt_tokens_details"),
    "from_deepseek": ("usage", "prompt_tokens", "completion_tokens", "completion_tokens_details"),
    "from_perplexity": ("usage", "prompt_tokens", "completion_tokens", "details"),
}
WORDS = st.sampled_from(
    ["cache", "cached", "audio", "image", "video", "reasoning", "thinking", "search", "tool", "page"]
)
ENDINGS = st.sampled_from(["tokens", "token_count", "count", "units", "seconds", "requests"])


class Unset:
    """The Mistral SDK's placeholder for an absent field."""

    def __bool__(self) -> bool:
        return False


class Absent:
    """A sentinel of an unknown SDK, which is false like most."""

    def __bool__(self) -> bool:
        return False


class Missing(enum.Enum):
    MISSING = 0


@dataclasses.dataclass
class Slotted:
    __slots__ = ("completion_tokens", "fresh_tokens", "prompt_tokens")
    prompt_tokens: int
    completion_tokens: int
    fresh_tokens: int


class Protobuf:
    """A message as in the xai-sdk, whose fields only `ListFields` returns."""

    __slots__ = ("_values",)

    def __init__(self, **values: int) -> None:
        self._values = values

    def __getattr__(self, name: str) -> int:
        return self._values.get(name, 0)

    def ListFields(self) -> list[tuple[Any, int]]:  # noqa: N802
        return [(SimpleNamespace(name=name), value) for name, value in self._values.items()]


@given(
    extractor=st.sampled_from(sorted(SHAPES)),
    key=st.builds("{}_odd_{}".format, WORDS, ENDINGS),
    count=st.integers(1, 2**36),
    nested=st.booleans(),
)
def test_unknown_counts_never_pass_silently(extractor: str, key: str, count: int, nested: bool) -> None:
    section, given_name, made_name, details = SHAPES[extractor]
    usage: dict[str, Any] = {given_name: 100, made_name: 20}
    usage |= {details: {key: count}} if nested else {key: count}
    read: Usage = getattr(extract, extractor)({"model": "m", section: usage})
    assert (read.input_tokens, read.output_tokens) == (100, 20)
    assert read.unread == (f"{details}.{key}" if nested else key,)
    assert read.as_fields()["tags"]["usage"] == "unread"


@given(key=st.builds("{}_{}".format, WORDS, ENDINGS), count=st.integers(1, 2**36))
def test_a_count_is_read_or_named_whatever_the_combination_of_known_words(key: str, count: int) -> None:
    """Given any count, then it is in a bucket, in another unit, or in the list of unread counts."""
    before = extract.from_openai({"usage": {"prompt_tokens": 2**37, "completion_tokens": 2**37}})
    after = extract.from_openai({"usage": {"prompt_tokens": 2**37, "completion_tokens": 2**37, key: count}})
    assert after.unread or after != before


@pytest.mark.parametrize(
    ("name", "value", "counted"),
    [
        ("cache_tokens", 0, False),
        ("cache_tokens", 1.5, True),
        ("cache_tokens", "12", True),
        ("cache_tokens", "0", False),
        ("cache_tokens", "many", False),
        ("cache_tokens", True, False),
        ("cache_tokens", None, False),
        ("cache_tokens", Decimal(3), True),
        ("widgets", 3, True),
        ("widgets", 3.5, False),
        ("widgets", "3", False),
    ],
)
def test_fields_that_look_like_counts(name: str, value: Any, counted: bool) -> None:
    assert looks_like_count(name, value) is counted


@pytest.mark.parametrize(
    "sentinel",
    [
        Unset(),
        Absent(),
        openai.NOT_GIVEN,
        openai.omit,
        openai.Omit(),
        PydanticUndefined,
        dataclasses.MISSING,
        Ellipsis,
        Missing.MISSING,
        int,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_is_not_set_is_not_reported(sentinel: object) -> None:
    """Given an SDK object with sentinels in optional fields, then it is read like one without these fields."""
    usage = SimpleNamespace(
        prompt_tokens=10,
        completion_tokens=5,
        total_tokens=15,
        prompt_audio_seconds=sentinel,
        prompt_tokens_details=sentinel,
        num_cached_tokens=sentinel,
    )
    for extractor in ("from_mistral", "from_openai", "from_openrouter"):
        read: Usage = getattr(extract, extractor)(SimpleNamespace(id="c", usage=usage), strict=True)
        assert (read.input_tokens, read.output_tokens, read.state) == (10, 5, "complete")


def test_fields_that_an_sdk_does_not_declare_are_found() -> None:
    usage = CompletionUsage.model_validate(
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "fresh_tokens": 3}
    )
    assert extract.from_openai(SimpleNamespace(usage=usage)).unread == ("fresh_tokens",)


@pytest.mark.parametrize("usage", [Slotted(10, 5, 3), Protobuf(prompt_tokens=10, completion_tokens=5, fresh_tokens=3)])
def test_fields_of_slots_and_protobuf_messages_are_found(usage: object) -> None:
    read = extract.from_xai(SimpleNamespace(usage=usage))
    assert (read.input_tokens, read.unread) == (10, ("fresh_tokens",))


def test_a_key_that_may_be_content_is_not_repeated() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "SECRET tokens of mine": 3}
    assert extract.from_openai({"usage": usage}).unread == ("?",)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("video_time_tokens", True),
        ("cache_ttl_1h_tokens", True),
        ("tokens_at_speed_count", True),
        ("maxOutputTokens", False),
        ("thinking_budget_tokens", False),
        ("tokens_per_second", False),
        ("time_to_first_token", False),
        ("input_tokens_cost", False),
        ("prompt_cache_ttl", False),
    ],
)
def test_times_rates_and_settings_are_no_counts(key: str, named: bool) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, key: 7}
    assert extract.from_openai({"usage": usage}).unread == ((key,) if named else ())


def test_the_result_of_a_langchain_model_is_read() -> None:
    tokens = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    read = extract.from_openai({"llm_output": {"token_usage": tokens, "model_name": "gpt-4o"}})
    assert (read.model, read.input_tokens, read.output_tokens, read.state) == ("gpt-4o", 10, 5, "complete")


def test_many_unread_keys_fit_into_the_tag() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5} | {f"unknown_kind_{number}_tokens": 1 for number in range(40)}
    tag = extract.from_openai({"usage": usage}).as_fields()["tags"]["usage_unread"]
    assert len(tag) <= 256
    assert tag.startswith("unknown_kind_0_tokens,")
    assert tag.endswith("_tokens,…")


def test_a_section_by_itself_is_read() -> None:
    section = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "input_token_details": {"cache_read": 4}}
    for extractor in ("from_openai", "from_anthropic"):
        read: Usage = getattr(extract, extractor)(section)
        assert (read.input_tokens, read.cache_read_tokens, read.output_tokens) == (6, 4, 5)


def test_hits_and_misses_without_a_prompt_are_the_prompt() -> None:
    usage = {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6, "completion_tokens": 5}
    read = extract.from_deepseek({"usage": usage})
    assert (read.input_tokens, read.cache_read_tokens, read.output_tokens) == (6, 4, 5)
