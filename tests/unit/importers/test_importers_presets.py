"""Exports of other tools: each preset counts every token once, and refuses what it would have to guess."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spendmeter_events import UsageEvent
from spendmeter_events.importers import EventMapping, Imported, InvalidMapping, Preset, RejectedRow, SkippedRow, events
from spendmeter_stream.pricing.book.units import COUNT_COLUMNS
from tests.support.pricing import Call, packaged_book, price_all

CONSTANTS = {"org_id": "acme", "feature": "chat"}
HELICONE: dict[str, Any] = {
    "request_id": "7c1b7cf4-0b7e-4a55-9a53-1df1e5d3c0aa",
    "request_created_at": "2026-11-02 10:01:00.000",
    "response_status": 200,
    "request_model": "gpt-4o",
    "response_model": "gpt-4o",
    "provider": "OPENAI",
    "request_user_id": "u-7",
    "delay_ms": 1430,
    "prompt_tokens": 1200,
    "completion_tokens": 10,
    "prompt_cache_read_tokens": 1024,
    "prompt_cache_write_tokens": 0,
    "cost": 0.00312,
}
LITELLM: dict[str, Any] = {
    "request_id": "chatcmpl-1",
    "startTime": "2026-11-02 10:01:00.000",
    "endTime": "2026-11-02 10:01:01.250",
    "completionStartTime": "2026-11-02 10:01:00.400",
    "model": "openai/gpt-4o",
    "custom_llm_provider": "openai",
    "user": "u-7",
    "end_user": "",
    "cache_hit": "False",
    "status": "success",
    "spend": 0.0031,
    "prompt_tokens": 1200,
    "completion_tokens": 10,
    "metadata": json.dumps(
        {
            "usage_object": {
                "prompt_tokens": 1200,
                "completion_tokens": 10,
                "total_tokens": 1210,
                "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": None},
            }
        }
    ),
}
OPENAI_USAGE: dict[str, Any] = {
    "start_time": 1793577600,
    "end_time": 1793664000,
    "model": "gpt-4o-mini",
    "batch": "",
    "input_tokens": 1000,
    "input_cached_tokens": 800,
    "output_tokens": 500,
    "num_model_requests": 5,
}


def imported(
    folder: Path, preset: Preset, *rows: Mapping[str, Any], **options: Any
) -> list[Imported | RejectedRow | SkippedRow]:
    file = folder / "export.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(events(file, EventMapping(constants=CONSTANTS, preset=preset, **options)))


def only(found: Sequence[object]) -> UsageEvent:
    (item,) = found
    assert isinstance(item, Imported), item
    return item.event


def reason(found: Sequence[object]) -> str:
    (item,) = found
    assert isinstance(item, RejectedRow | SkippedRow), item
    return item.reason


def cost(*calls: UsageEvent) -> Decimal:
    """Price the events with the packaged book."""
    counts = [{name: getattr(call, name) for name in COUNT_COLUMNS if hasattr(call, name)} for call in calls]
    priced = price_all(
        packaged_book(),
        [
            Call(call.provider, call.model, count, call.occurred_at.isoformat(), call.service_tier or "standard")
            for call, count in zip(calls, counts, strict=True)
        ],
    )
    assert {row["pricing_status"] for row in priced} == {"priced"}
    return sum((row["cost"] for row in priced), Decimal(0))


def test_helicone_rows_have_the_cost_of_their_calls(tmp_path: Path) -> None:
    call = only(imported(tmp_path, Preset.HELICONE, HELICONE, input_includes_cache=True))
    assert (call.input_tokens, call.cache_read_tokens, call.output_tokens) == (176, 1024, 10)
    assert (call.user_id, call.latency_ms, call.provider, call.status) == ("u-7", 1430, "openai", "ok")
    assert cost(call) == Decimal("0.00182")
    # Newer versions subtract the cached tokens themselves.
    newer = {**HELICONE, "prompt_tokens": 176}
    assert only(imported(tmp_path, Preset.HELICONE, newer, input_includes_cache=False)).input_tokens == 176
    assert reason(imported(tmp_path, Preset.HELICONE, newer, input_includes_cache=True)).startswith("prompt_tokens: sm")


def test_helicone_copies_the_counts_of_anthropic(tmp_path: Path) -> None:
    row = {**HELICONE, "provider": "ANTHROPIC", "response_model": "claude-sonnet-4-5", "prompt_tokens": 2000}
    assert only(imported(tmp_path, Preset.HELICONE, row, input_includes_cache=True)).input_tokens == 2000


def test_helicone_failures_and_answers_from_its_cache_are_recognised(tmp_path: Path) -> None:
    failed = {**HELICONE, "response_status": 429, "prompt_tokens": None, "prompt_cache_read_tokens": None}
    call = only(imported(tmp_path, Preset.HELICONE, failed, input_includes_cache=True))
    assert (call.status, call.error_type, call.input_tokens) == ("error", "http_429", 0)
    hit = {**HELICONE, "cache_reference_id": "7c1b7cf4-0b7e-4a55-9a53-1df1e5d3c0ab"}
    found = imported(tmp_path, Preset.HELICONE, hit, input_includes_cache=True)
    assert isinstance(found[0], SkippedRow)


def test_helicone_needs_a_declaration_and_the_cache_columns(tmp_path: Path) -> None:
    with pytest.raises(InvalidMapping, match=r"older versions of Helicone.*--input-includes-cache"):
        imported(tmp_path, Preset.HELICONE, HELICONE)
    short = {name: value for name, value in HELICONE.items() if name != "prompt_cache_read_tokens"}
    with pytest.raises(InvalidMapping, match="helicone: no column 'prompt_cache_read_tokens'"):
        imported(tmp_path, Preset.HELICONE, short, input_includes_cache=True)


def test_litellm_spend_logs_have_the_cost_of_their_calls(tmp_path: Path) -> None:
    call = only(imported(tmp_path, Preset.LITELLM, LITELLM))
    assert (call.input_tokens, call.cache_read_tokens, call.output_tokens) == (176, 1024, 10)
    assert (call.model, call.user_id, call.latency_ms, call.ttft_ms) == ("gpt-4o", "u-7", 1250, 400)
    assert call.provider_cost_usd == 0.0031
    assert cost(call) == Decimal("0.00182")


def test_litellm_includes_cache_writes_of_anthropic(tmp_path: Path) -> None:
    usage = {
        "prompt_tokens": 1300,
        "completion_tokens": 10,
        "total_tokens": 1310,
        "prompt_tokens_details": {"cached_tokens": 1024, "cache_creation_tokens": 100},
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 1024,
    }
    row = {**LITELLM, "custom_llm_provider": "anthropic", "metadata": {"usage_object": usage}}
    call = only(imported(tmp_path, Preset.LITELLM, row))
    assert (call.input_tokens, call.cache_read_tokens, call.cache_write_5m_tokens) == (176, 1024, 100)


def test_litellm_without_the_usage_is_refused_until_declared(tmp_path: Path) -> None:
    bare = {**LITELLM, "metadata": "{}"}
    assert reason(imported(tmp_path, Preset.LITELLM, bare)).startswith("metadata: no usage_object")
    assert only(imported(tmp_path, Preset.LITELLM, bare, input_includes_cache=False)).input_tokens == 1200
    assert reason(imported(tmp_path, Preset.LITELLM, {**LITELLM, "spend": "x"})) == "spend: not a number"
    failed = {**bare, "status": "failure", "prompt_tokens": 0, "completion_tokens": 0, "spend": 0}
    call = only(imported(tmp_path, Preset.LITELLM, failed))
    assert (call.status, call.tags) == ("error", {})
    assert isinstance(imported(tmp_path, Preset.LITELLM, {**LITELLM, "cache_hit": "True"})[0], SkippedRow)


def test_an_openai_usage_row_is_as_many_calls_as_requests(tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    with file.open("w", newline="") as output:
        writer = csv.DictWriter(output, OPENAI_USAGE)
        writer.writeheader()
        writer.writerow(OPENAI_USAGE)
    mapping = EventMapping(constants=CONSTANTS, preset=Preset.OPENAI_USAGE)
    calls = [item.event for item in events(file, mapping) if isinstance(item, Imported)]
    assert len({call.event_id for call in calls}) == 5
    assert sum(call.input_tokens for call in calls) == 200
    assert cost(*calls) == Decimal("0.00039")
    # A later export of the same bucket has the same ids, also with other counts.
    again = imported(tmp_path, Preset.OPENAI_USAGE, {**OPENAI_USAGE, "output_tokens": 501, "batch": None})
    assert [item.event.event_id for item in again if isinstance(item, Imported)] == [call.event_id for call in calls]
    assert sum(item.event.output_tokens for item in again if isinstance(item, Imported)) == 501


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"model": None}, "model: empty; group the export by model"),
        ({"input_cached_tokens": 1001}, "input_tokens: smaller than"),
        ({"num_model_requests": 0}, "num_model_requests: not between"),
        ({"input_image_tokens": 3}, "input_image_tokens: not imported"),
        ({"output_tokens": "many"}, "output_tokens: not a whole number"),
        ({"batch": "maybe"}, "batch: neither true nor false"),
        ({"start_time": "soon"}, "occurred_at: not an ISO 8601"),
        ({"output_tokens": -1}, "output_tokens: negative"),
    ],
)
def test_an_openai_usage_row_that_would_need_a_guess_is_refused(
    tmp_path: Path, changes: dict[str, Any], start: str
) -> None:
    assert reason(imported(tmp_path, Preset.OPENAI_USAGE, {**OPENAI_USAGE, **changes})).startswith(start)


def test_an_empty_bucket_is_skipped_and_batch_is_a_tier(tmp_path: Path) -> None:
    counts = ("input_tokens", "input_cached_tokens", "output_tokens", "num_model_requests")
    empty = {**OPENAI_USAGE, **dict.fromkeys(counts, 0), "model": None}
    assert isinstance(imported(tmp_path, Preset.OPENAI_USAGE, empty)[0], SkippedRow)
    batch = {**OPENAI_USAGE, "batch": True, "num_model_requests": 1}
    assert only(imported(tmp_path, Preset.OPENAI_USAGE, batch)).service_tier == "batch"


def test_a_mapping_overrides_a_preset(tmp_path: Path) -> None:
    columns = {"user_id": "end_user", "tags.key": "request_id"}
    row = {**LITELLM, "end_user": "customer-1"}
    file = tmp_path / "export.jsonl"
    file.write_text(json.dumps(row))
    constants = {**CONSTANTS, "model": "gpt-4o-mini"}
    call = only(list(events(file, EventMapping(columns=columns, constants=constants, preset=Preset.LITELLM))))
    assert (call.model, call.user_id, call.tags["key"]) == ("gpt-4o-mini", "customer-1", "chatcmpl-1")
    with pytest.raises(InvalidMapping, match="openai-usage derives the ids itself"):
        imported(tmp_path, Preset.OPENAI_USAGE, OPENAI_USAGE, id_from="start_time")


COLUMNS = {"occurred_at": "at", "input_tokens": "prompt_tokens", "cache_read_tokens": "cached_tokens"}
KIND = {**CONSTANTS, "provider": "openai", "model": "gpt-4o"}


def mapped(folder: Path, columns: Mapping[str, str], counts: Sequence[int], **options: Any) -> list[Any]:
    file = folder / "calls.csv"
    cells = ["2026-11-02T10:01:00Z", *map(str, counts)]
    file.write_text(f"{','.join(columns.values())}\n{','.join(cells)}\n")
    return list(events(file, EventMapping(columns=columns, constants=KIND, **options)))


def test_columns_that_may_include_each_other_are_refused_until_declared(tmp_path: Path) -> None:
    with pytest.raises(InvalidMapping, match=r"'prompt_tokens' may include 'cached_tokens'.*counted twice: declare"):
        mapped(tmp_path, COLUMNS, (1200, 1024))
    assert only(mapped(tmp_path, COLUMNS, (1200, 1024), input_includes_cache=True)).input_tokens == 176
    assert only(mapped(tmp_path, COLUMNS, (1200, 1024), input_includes_cache=False)).input_tokens == 1200
    assert reason(mapped(tmp_path, COLUMNS, (100, 1024), input_includes_cache=True)).startswith("input_tokens: smaller")


@pytest.mark.parametrize(
    ("tokens", "cached"),
    [
        ("input_tokens", "cache_read_tokens"),
        ("input_tokens", "cache_read_input_tokens"),
        ("inputTokens", "cacheReadTokens"),
        ("uncached_input_tokens", "cache_read_input_tokens"),
    ],
)
def test_names_that_exclude_each_other_need_no_declaration(tmp_path: Path, tokens: str, cached: str) -> None:
    columns = {"occurred_at": "at", "input_tokens": tokens, "cache_read_tokens": cached}
    assert only(mapped(tmp_path, columns, (176, 1024))).input_tokens == 176
