"""The public event contract: the JSON schema in docs/, and golden event files."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from spendmeter_events import UsageEvent
from spendmeter_events.event import MAX_COUNT, MAX_EVENT_BYTES, MAX_TAGS

_GOLDEN = Path(__file__).with_name("golden")
_SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "usage-event.schema.json"
_VALID = sorted(_GOLDEN.glob("valid_*.json"))
_INVALID = sorted(_GOLDEN.glob("invalid_*.json"))


def current_schema() -> str:
    """Return the expected docs/usage-event.schema.json."""
    schema = UsageEvent.model_json_schema(mode="validation")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Made from spendmeter_events.UsageEvent; see docs/emitting.md for how to make it again.",
    }
    return json.dumps(head | schema, indent=2) + "\n"


def _load(path: Path) -> Any:
    return json.loads(path.read_text())


def test_schema_in_docs_is_current() -> None:
    assert _SCHEMA.read_text() == current_schema(), (
        "docs/usage-event.schema.json is stale: run python -m tests.unit.events.test_events_schema"
    )


@pytest.mark.parametrize("path", _VALID, ids=lambda path: path.stem)
def test_golden_event_is_read_and_written_back(path: Path) -> None:
    """Given an event as an emitter wrote it, when it is read and written, then its bytes are unchanged."""
    event = UsageEvent.model_validate_json(path.read_bytes())

    written = json.loads(event.to_json())

    assert written == _load(path)
    jsonschema.validate(_load(path), json.loads(_SCHEMA.read_text()))


@pytest.mark.parametrize("path", _INVALID, ids=lambda path: path.stem)
def test_golden_refusal(path: Path) -> None:
    """Given an event with one fault, then it is rejected for that fault, at the place named by `_fault` in the file."""
    content = _load(path)
    place = content.pop("_fault")

    with pytest.raises(ValidationError) as refusal:
        UsageEvent.model_validate_json(json.dumps(content))

    assert [".".join(map(str, error["loc"])) for error in refusal.value.errors()] == [place]


def test_golden_files_are_there() -> None:
    assert len(_VALID) >= 5
    assert len(_INVALID) >= 8


def test_largest_valid_event_is_below_the_limit() -> None:
    """An event with every string at its limit, in the widest characters, is valid."""
    wide = "\U0001f9ee"
    texts = {
        name: wide * (field.metadata[0].max_length or 0)
        for name, field in UsageEvent.model_fields.items()
        if field.metadata and getattr(field.metadata[0], "max_length", None) and name != "tags"
    }
    counts = {name: MAX_COUNT for name in UsageEvent.model_fields if name.endswith("_tokens")}
    tags = {f"{number:02d}" + wide * 62: wide * 256 for number in range(MAX_TAGS)}

    event = UsageEvent.now(**{**texts, **counts, "error_message": wide * 500, "user_id": wide * 128, "tags": tags})

    assert 20_000 < len(event.to_json()) <= MAX_EVENT_BYTES


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _SCHEMA.write_text(current_schema())
