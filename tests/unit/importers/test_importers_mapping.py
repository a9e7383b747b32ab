"""Mappings that fit a file, and the errors of those that do not."""

from __future__ import annotations

from typing import Any

import pytest

from spendmeter_events.importers import EventMapping, InvalidMapping
from spendmeter_events.importers._expressions import Known
from spendmeter_events.importers._mapping import plan

COLUMNS = Known(("TIMESTAMP", "ContextTokens", "GeneratedTokens"), frozenset())
CONSTANTS = {"org_id": "azure", "provider": "openai", "model": "gpt-4o", "feature": "chat"}
_COLUMNS_LINE = "the columns are 'TIMESTAMP', 'ContextTokens', 'GeneratedTokens'"


def _faults(columns: dict[str, str], constants: dict[str, object], **options: Any) -> list[str]:
    with pytest.raises(InvalidMapping) as caught:
        plan(EventMapping(columns=columns, constants=constants), COLUMNS, **options)
    return str(caught.value).splitlines()


def test_a_missing_column_names_the_field_and_the_columns_there_are() -> None:
    assert _faults({"occurred_at": "Timestamp"}, dict(CONSTANTS)) == [
        "occurred_at: no column 'Timestamp'",
        "the columns are 'TIMESTAMP', 'ContextTokens', 'GeneratedTokens'",
    ]


def test_an_unknown_field_names_the_fields_there_are() -> None:
    (fault,) = _faults({"occurred_at": "TIMESTAMP", "prompt": "ContextTokens"}, dict(CONSTANTS))
    assert fault.startswith("prompt: no such field; the fields are event_id, occurred_at, org_id,")
    assert fault.endswith(", tags.NAME")


@pytest.mark.parametrize("name", ["schema_version", "tags", "tags.", "Model"])
def test_these_are_no_fields(name: str) -> None:
    assert _faults({"occurred_at": "TIMESTAMP"}, {**CONSTANTS, name: "1"})[0].startswith(f"{name}: no such field")


def test_all_faults_come_at_once() -> None:
    faults = _faults({"input_tokens": "Tokens", "org_id": "TIMESTAMP"}, dict(CONSTANTS))
    assert [fault.partition(":")[0] for fault in faults] == ["org_id", "occurred_at", "input_tokens", _COLUMNS_LINE]
    assert faults[0] == "org_id: given by both a column and a constant"
    assert faults[1].startswith("occurred_at: neither a column nor a constant gives it")


def test_a_column_name_that_comes_twice_cannot_be_mapped() -> None:
    mapping = EventMapping(columns={"occurred_at": "at"}, constants=CONSTANTS)
    with pytest.raises(
        InvalidMapping, match=r"^occurred_at: more than one column is named 'at'\nthe columns are 'at', 'n', 'at'$"
    ):
        plan(mapping, Known(("at", "n", "at"), frozenset()))
    assert plan(mapping, Known(("at", "n", "n"), frozenset())).steps[0][0] == "occurred_at"


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("input_tokens", "many", "the constant input_tokens: not a whole number"),
        ("input_tokens", "-1", "the constant input_tokens: Input should be greater than or equal to 0"),
        ("org_id", "", "the constant org_id: String should have at least 1 character"),
        ("model", "a\tb", "the constant model: contains a control character"),
        ("status", "failed", "the constant status: Input should be 'ok', 'error' or 'cancelled'"),
        ("tags.x", "y" * 300, "the constant tags.x: String should have at most 256 characters"),
    ],
)
def test_a_constant_that_every_row_would_break_on_is_refused(name: str, value: str, fault: str) -> None:
    assert _faults({"occurred_at": "TIMESTAMP"}, {**CONSTANTS, name: value}) == [fault]


def test_constants_are_read_as_cells_are() -> None:
    constants = {**CONSTANTS, "occurred_at": "2026-01-01", "latency_ms": "12.0", "streamed": "true", "tags.env": "x"}
    made = plan(EventMapping(constants=constants), COLUMNS)
    assert (made.constants["latency_ms"], made.constants["streamed"], made.has_tags) == (12, True, True)


@pytest.mark.parametrize("zone", ["Asia/Katmandoo", "", "../etc/passwd", "/etc/passwd"])
def test_an_unknown_zone_is_named(zone: str) -> None:
    (fault,) = _faults({"occurred_at": "TIMESTAMP"}, dict(CONSTANTS), timezone=zone)
    assert fault.startswith("timezone: unknown zone ")
