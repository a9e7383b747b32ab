"""Each provider's published payloads, in every form that a caller may have, and their disjoint buckets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spendmeter_events import UsageEvent, extract

CASES: list[dict[str, Any]] = [
    case
    for file in sorted((Path(__file__).parent / "payloads").glob("*.json"))
    for case in json.loads(file.read_text(encoding="utf-8"))
]
each_case = pytest.mark.parametrize("case", CASES, ids=[f"{case['extractor'][5:]}-{case['name']}" for case in CASES])


def run(case: dict[str, Any], response: object) -> extract.Usage:
    options = {name: case[name] for name in ("request", "provider") if name in case}
    usage: extract.Usage = getattr(extract, case["extractor"])(response, **options)
    return usage


def as_object(value: object) -> Any:
    """Return the payload as an SDK object: attributes instead of keys that are identifiers."""
    if isinstance(value, dict) and all(name.isidentifier() for name in value):
        return SimpleNamespace(**{name: as_object(inner) for name, inner in value.items()})
    if isinstance(value, dict):
        return {name: as_object(inner) for name, inner in value.items()}
    return [as_object(inner) for inner in value] if isinstance(value, list) else value


def forms(case: dict[str, Any]) -> Iterator[object]:
    """Return the payload as dicts and as objects; chunks as a list and as an iterator."""
    if "chunks" in case:
        yield case["chunks"]
        yield iter(case["chunks"])
        yield (as_object(chunk) for chunk in case["chunks"])
    else:
        yield case["payload"]
        yield as_object(case["payload"])


@each_case
def test_a_published_payload_gives_its_disjoint_buckets_in_every_form(case: dict[str, Any]) -> None:
    for form in forms(case):
        usage = run(case, form)
        assert usage.as_fields() == case["expect"], case["source"]
        assert usage.total_tokens == case.get("total", 0)


@each_case
def test_its_fields_make_a_valid_event(case: dict[str, Any]) -> None:
    fields = {"model": "unknown", "provider": "unknown"} | run(case, next(forms(case))).as_fields()
    event = UsageEvent.now(org_id="org", feature="chat", **fields)
    assert UsageEvent.model_validate_json(event.to_json()) == event


@each_case
def test_every_payload_names_its_source(case: dict[str, Any]) -> None:
    assert case["source"].startswith("https://")


def test_every_extractor_has_payloads() -> None:
    names = {name for name in extract.__all__ if name.startswith("from_")}
    assert {case["extractor"] for case in CASES} == names


def test_truncated_streams_return_the_counts_so_far_and_flag_them() -> None:
    """Given any stream, when it is cut anywhere, then nothing is raised and no count exceeds the whole."""
    for case in CASES:
        chunks = case.get("chunks", [])
        whole = run(case, chunks) if chunks else extract.Usage()
        for length in range(len(chunks)):
            part = run(case, chunks[:length])
            assert part.state in ("aborted", "missing", "complete")
            assert part.input_tokens <= whole.input_tokens
            assert part.output_tokens <= whole.output_tokens
            assert length or part.state == "aborted"
