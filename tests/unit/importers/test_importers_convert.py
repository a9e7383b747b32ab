"""Cells to field values: accepted and rejected ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from spendmeter_events import UsageEvent
from spendmeter_events.normalize.cells import (
    CellError,
    converters,
    decimal,
    flag,
    identity,
    text,
    time_in,
    whole,
)


def test_every_field_of_an_event_has_its_converter() -> None:
    assert {*converters(UTC), "schema_version", "tags"} == set(UsageEvent.model_fields)


@pytest.mark.parametrize(
    ("cell", "value"),
    [("12", 12), (" 12 ", 12), ("012", 12), ("12.0", 12), ("12.000", 12), ("-3", -3), (12, 12), (12.0, 12)],
)
def test_whole_numbers(cell: Any, value: int) -> None:
    assert whole(cell) == value
    assert type(whole(cell)) is int


@pytest.mark.parametrize(
    "cell",
    ["12.5", "12.", ".0", "1e3", "1,000", "1_000", "+5", "0x10", "١٢", "9" * 20, "nan", "x", 12.5, True, [], {}],
)
def test_invalid_integers_are_rejected(cell: Any) -> None:
    with pytest.raises(CellError, match=r"^not a whole number$"):
        whole(cell)


@pytest.mark.parametrize(("cell", "value"), [("1.25", 1.25), ("3", 3.0), ("1e-4", 1e-4), (2, 2.0), (2.5, 2.5)])
def test_decimals(cell: Any, value: float) -> None:
    assert decimal(cell) == value
    assert type(decimal(cell)) is float


@pytest.mark.parametrize("cell", ["1,25", "nan", "inf", "-", "1 2", "0x1", True, None, []])
def test_invalid_decimals_are_rejected(cell: Any) -> None:
    with pytest.raises(CellError, match=r"^not a number$"):
        decimal(cell)


@pytest.mark.parametrize(("cell", "value"), [("TRUE", True), ("0", False), (False, False), (1, True), (" true", True)])
def test_flags(cell: Any, value: bool) -> None:
    assert flag(cell) is value


@pytest.mark.parametrize("cell", ["yes", "2", 2, 1.0, [], "t"])
def test_invalid_flags_are_rejected(cell: Any) -> None:
    with pytest.raises(CellError, match=r"^neither true nor false$"):
        flag(cell)


def test_text_is_trimmed_and_numbers_give_their_digits() -> None:
    assert text(" gpt-4o ") == "gpt-4o"
    assert text(417) == "417"


@pytest.mark.parametrize("cell", [True, 1.5, [], {}])
def test_invalid_text_is_rejected(cell: Any) -> None:
    with pytest.raises(CellError, match=r"^not text$"):
        text(cell)


def test_uuids_are_read_in_any_of_their_forms() -> None:
    written = "018bd98e-1192-7b3d-822c-d13e84aa5dd5"
    assert identity(written) == identity(written.replace("-", "").upper()) == UUID(written)
    with pytest.raises(CellError, match=r"^not a UUID$"):
        identity("018bd98e")


@pytest.mark.parametrize(
    "cell",
    [
        "2023-11-16 18:15:46.6805900",
        "2023-11-16T18:15:46.680Z",
        "2023-11-16T23:45:46.680999+05:30",
        "2023-11-16 18:15:46,680",
        "1700158546680",
        "1700158546.680599",
        1700158546680,
        1700158546.68,
    ],
)
def test_one_moment_written_in_many_ways(cell: Any) -> None:
    assert time_in(UTC)(cell) == datetime(2023, 11, 16, 18, 15, 46, 680_000, tzinfo=UTC)


def test_more_digits_than_milliseconds_are_cut_not_rounded() -> None:
    moment = time_in(UTC)
    assert moment("2023-11-16T00:00:00.9999999Z") == datetime(2023, 11, 16, 0, 0, 0, 999_000, tzinfo=UTC)
    assert moment("1700158546.9999999") == datetime(2023, 11, 16, 18, 15, 46, 999_000, tzinfo=UTC)
    assert moment("1969-12-31T23:59:59.9999Z") == datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


def test_thirteen_digits_are_milliseconds_never_a_compact_date() -> None:
    assert time_in(UTC)("2012101210153") == datetime.fromtimestamp(2012101210.153, UTC)


def test_a_time_without_offset_is_in_the_given_zone() -> None:
    kathmandu = time_in(ZoneInfo("Asia/Kathmandu"))
    assert kathmandu("2026-01-01 00:00:00") == datetime(2025, 12, 31, 18, 15, tzinfo=UTC)
    assert kathmandu("2026-01-01T00:00:00Z") == datetime(2026, 1, 1, tzinfo=UTC)
    assert time_in(timezone(timedelta(hours=2)))("2026-01-01") == datetime(2025, 12, 31, 22, tzinfo=UTC)


def test_an_hour_that_comes_twice_is_its_first() -> None:
    berlin = time_in(ZoneInfo("Europe/Berlin"))
    assert berlin("2026-10-25 02:30:00") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "cell",
    [
        "yesterday",
        "16/11/2023 18:15",
        "2023-13-01",
        "2023-11-16T25:00:00Z",
        "20231116",
        "170015854",
        "17001585466",
        "0001-01-01T00:00:00+14:00",
        "9" * 400,
        True,
        None,
        [],
    ],
)
def test_invalid_times_are_rejected(cell: Any) -> None:
    with pytest.raises(CellError, match=r"^not an ISO 8601 or Unix time$"):
        time_in(UTC)(cell)
