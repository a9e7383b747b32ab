"""Files to events: equal to the result of the contract's validation, with stable ids."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from spendmeter_events import UsageEvent
from spendmeter_events.importers import EventMapping, Imported, InvalidMapping, RejectedRow, events, read_rows
from spendmeter_events.importers._identity import derived_id

CONSTANTS = {"org_id": "azure", "provider": "openai", "model": "gpt-4o", "feature": "chat"}
MAPPING = EventMapping(columns={"occurred_at": "at", "input_tokens": "in"}, constants=CONSTANTS)
ROWS = b"at,in\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:00Z,1\n2026-01-02T00:00:00Z,3\n"


def _file(folder: Path, content: bytes, name: str = "calls.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _ids(path: Path, mapping: EventMapping = MAPPING, **options: Any) -> list[UUID]:
    return [item.event.event_id for item in events(path, mapping, **options) if isinstance(item, Imported)]


def test_a_row_becomes_an_event_and_names_its_line(tmp_path: Path) -> None:
    first, *_ = events(_file(tmp_path, ROWS), MAPPING)
    assert isinstance(first, Imported)
    assert first.line == 2
    assert first.event == UsageEvent(
        event_id=first.event.event_id,
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        input_tokens=1,
        org_id="azure",
        provider="openai",
        model="gpt-4o",
        feature="chat",
    )


def test_the_same_content_gives_the_same_ids_whatever_the_file_is_called(tmp_path: Path) -> None:
    ids = _ids(_file(tmp_path, ROWS))
    assert len(set(ids)) == 3
    assert _ids(_file(tmp_path, ROWS, "renamed.csv")) == ids
    assert _ids(_file(tmp_path, gzip.compress(ROWS), "packed.csv.gz")) == ids
    assert _ids(_file(tmp_path, ROWS.replace(b"\n", b"\r\n"), "windows.csv")) == ids
    assert _ids(_file(tmp_path, b"\xef\xbb\xbf" + ROWS, "marked.csv")) == ids
    assert _ids(_file(tmp_path, ROWS.rstrip(), "unended.csv")) == ids


def test_a_grown_file_keeps_the_ids_it_had(tmp_path: Path) -> None:
    ids = _ids(_file(tmp_path, ROWS))
    grown = _ids(_file(tmp_path, ROWS + b"2026-01-03T00:00:00Z,4\n", "grown.csv"))
    assert grown[:3] == ids
    assert len(set(grown)) == 4


def test_a_changed_row_changes_its_own_id_and_no_other(tmp_path: Path) -> None:
    ids = _ids(_file(tmp_path, ROWS))
    changed = _ids(_file(tmp_path, ROWS.replace(b"Z,1\n2026-01-02", b"Z,2\n2026-01-02"), "changed.csv"))
    assert [changed[0], changed[2]] == [ids[0], ids[2]]
    assert changed[1] not in ids


def test_a_rejected_row_stops_nothing_and_lines_are_still_counted(tmp_path: Path) -> None:
    bad = ROWS.replace(b"in\n", b"in\nbad,1\n")
    first, second, *_ = events(_file(tmp_path, bad), MAPPING)
    assert first == RejectedRow(2, "occurred_at: not an ISO 8601 or Unix time")
    assert isinstance(second, Imported)
    assert second.line == 3


def test_another_mapping_of_the_same_rows_keeps_the_ids_and_another_namespace_does_not(tmp_path: Path) -> None:
    path = _file(tmp_path, ROWS)
    other = EventMapping(columns={"occurred_at": "at"}, constants={**CONSTANTS, "org_id": "other"})
    assert _ids(path, other) == _ids(path)
    assert not set(_ids(path, namespace="second count")) & set(_ids(path))


def test_ids_sort_by_time_and_are_version_7(tmp_path: Path) -> None:
    ids = _ids(_file(tmp_path, ROWS))
    assert [event_id.version for event_id in ids] == [7, 7, 7]
    assert ids[2] > max(ids[:2])
    assert ids[2].int >> 80 == int(datetime(2026, 1, 2, tzinfo=UTC).timestamp() * 1000)


def test_a_time_before_1970_still_has_an_id() -> None:
    assert derived_id(datetime(1900, 1, 1, tzinfo=UTC), b"\xff" * 32).int >> 80 == 0
    assert derived_id(datetime(9999, 12, 31, tzinfo=UTC), b"\0" * 32).version == 7


def test_an_id_the_file_gives_is_taken(tmp_path: Path) -> None:
    given_id = "018bd98e-1192-7b3d-822c-d13e84aa5dd5"
    mapping = EventMapping(columns={"occurred_at": "at", "event_id": "id"}, constants=CONSTANTS)
    path = _file(tmp_path, b"at,id\n2026-01-01,%b\n2026-01-01,\n" % given_id.encode())
    first, second = _ids(path, mapping)
    assert first == UUID(given_id)
    assert second.version == 7


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b",1", "occurred_at: empty"),
        (b"   ,1", "occurred_at: empty"),
        (b"2026-01-01,-1", "input_tokens: Input should be greater than or equal to 0"),
        (b"2026-01-01,1.5", "input_tokens: not a whole number"),
        (b"2026-01-01,secret", "input_tokens: not a whole number"),
        (b"2026-01-01,2199023255552", "input_tokens: Input should be less than or equal to 1099511627776"),
    ],
)
def test_a_rejection_names_field_and_rule_and_never_the_content(tmp_path: Path, row: bytes, reason: str) -> None:
    path = _file(tmp_path, b"at,in\n" + row + b"\n2026-01-01,7\n")
    rejected, kept = events(path, MAPPING)
    assert rejected == RejectedRow(2, reason)
    assert isinstance(kept, Imported)
    assert kept.event.input_tokens == 7


def test_an_empty_cell_a_null_and_an_absent_key_are_the_default(tmp_path: Path) -> None:
    mapping = EventMapping(
        columns={"occurred_at": "at", "latency_ms": "ms", "user_id": "user", "service": "service"},
        constants=CONSTANTS,
    )
    at = '"at":"2026-01-01T00:00:00Z"'
    lines = [f'{{{at},"ms":5,"user":7,"service":"vision"}}', f'{{{at},"ms":null,"user":""}}', f"{{{at}}}"]
    path = _file(tmp_path, "\n".join(lines).encode(), "calls.jsonl")
    found = [item.event for item in events(path, mapping) if isinstance(item, Imported)]
    assert [(event.latency_ms, event.user_id, event.service) for event in found] == [
        (5, "7", "vision"),
        (None, None, "chat"),
        (None, None, "chat"),
    ]


def test_a_needed_field_that_is_empty_is_named(tmp_path: Path) -> None:
    mapping = EventMapping(
        columns={"occurred_at": "at", "model": "model"},
        constants={name: value for name, value in CONSTANTS.items() if name != "model"},
    )
    assert list(events(_file(tmp_path, b"at,model\n2026-01-01,\n"), mapping)) == [RejectedRow(2, "model: empty")]


def test_tags_come_from_columns_and_constants(tmp_path: Path) -> None:
    mapping = EventMapping(
        columns={"occurred_at": "at", "tags.client": "client"}, constants={**CONSTANTS, "tags.source": "bill"}
    )
    path = _file(tmp_path, b"at,client\n2026-01-01,web\n2026-01-01,\n")
    tags = [item.event.tags for item in events(path, mapping) if isinstance(item, Imported)]
    assert tags == [{"source": "bill", "client": "web"}, {"source": "bill"}]


def test_a_long_error_message_is_cut_as_the_contract_cuts_it(tmp_path: Path) -> None:
    mapping = EventMapping(columns={"occurred_at": "at", "error_message": "why"}, constants=CONSTANTS)
    (item,) = events(_file(tmp_path, b"at,why\n2026-01-01," + b"x" * 900 + b"\n"), mapping)
    assert isinstance(item, Imported)
    assert item.event.error_message == "x" * 500


def test_a_bad_mapping_is_known_at_once_and_leaves_no_file_open(tmp_path: Path) -> None:
    with read_rows(_file(tmp_path, ROWS)) as rows:
        with pytest.raises(InvalidMapping, match="no column 'nowhere'"):
            events(rows, EventMapping(columns={"occurred_at": "nowhere"}, constants=CONSTANTS))
        with pytest.raises(ValueError, match="closed file"):
            next(rows)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        events(tmp_path / "nowhere.csv", MAPPING)


_WORD = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=40)
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "event_id": st.uuids(),
    "occurred_at": st.datetimes(timezones=st.just(UTC)).map(
        lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
    ),
    **dict.fromkeys(("org_id", "feature", "provider", "model"), _WORD),
}
_OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "user_id": _WORD,
    "agent_id": _WORD,
    "input_tokens": st.integers(0, 2**40),
    "images": st.integers(0, 2**40),
    "latency_ms": st.integers(0, 2**31 - 1),
    "audio_seconds": st.floats(0, 1e6),
    "provider_cost_usd": st.floats(0, 1e6),
    "streamed": st.booleans(),
    "status": st.sampled_from(["ok", "error", "cancelled"]),
    "key_source": st.sampled_from(["platform", "byok"]),
    "error_message": _WORD,
}
_EVENTS = st.lists(
    st.fixed_dictionaries(_FIELDS, optional=_OPTIONAL).map(lambda fields: UsageEvent(**fields)), min_size=1, max_size=8
)
_ALL = EventMapping(columns={name: name for name in (*_FIELDS, *_OPTIONAL)})


@settings(deadline=None)
@given(_EVENTS)
def test_events_written_to_csv_come_back_equal(
    tmp_path_factory: pytest.TempPathFactory, made: list[UsageEvent]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "calls.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(_ALL.columns))
        writer.writeheader()
        writer.writerows(event.model_dump(include=set(_ALL.columns)) for event in made)
    assert [item.event for item in events(path, _ALL) if isinstance(item, Imported)] == made


@settings(deadline=None)
@given(_EVENTS)
def test_events_written_to_json_lines_come_back_equal(
    tmp_path_factory: pytest.TempPathFactory, made: list[UsageEvent]
) -> None:
    every = dict.fromkeys(_ALL.columns)
    lines = [json.dumps(every | json.loads(event.to_json())) for event in made]
    path = tmp_path_factory.mktemp("jsonl") / "calls.jsonl"
    path.write_text("\n".join(lines))
    assert [item.event for item in events(path, _ALL) if isinstance(item, Imported)] == made


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "at": st.just("2026-01-01T00:00:00Z"),
            "in": st.integers(-2, 2**41) | st.none(),
            "model": st.text(max_size=140).filter(lambda text: text == text.strip()),
        }
    )
)
def test_a_row_is_taken_exactly_when_the_contract_takes_it(
    tmp_path_factory: pytest.TempPathFactory, row: Mapping[str, Any]
) -> None:
    constants = {name: value for name, value in CONSTANTS.items() if name != "model"}
    columns = {"occurred_at": "at", "input_tokens": "in", "model": "model"}
    path = tmp_path_factory.mktemp("one") / "calls.jsonl"
    path.write_text(json.dumps(row))
    (item,) = events(path, EventMapping(columns=columns, constants=constants))
    fields = {"input_tokens": row["in"], "model": row["model"]}
    given_fields: dict[str, Any] = {name: value for name, value in fields.items() if value not in (None, "")}
    try:
        expected = UsageEvent(
            event_id=UUID(int=0), occurred_at=datetime(2026, 1, 1, tzinfo=UTC), **{**constants, **given_fields}
        )
    except ValidationError:
        assert isinstance(item, RejectedRow)
        assert "\n" not in item.reason
    else:
        assert isinstance(item, Imported)
        assert item.event.model_copy(update={"event_id": UUID(int=0)}) == expected
