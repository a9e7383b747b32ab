"""The pure parts of repricing: the pieces of a window, and the content of an adjustment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from spendmeter_stream.reprice import CallSelection, RepriceError
from spendmeter_stream.reprice.selection import CallPiece, pieces_of

START = datetime(2026, 10, 31, 20, tzinfo=UTC)


def hours(*counts: int) -> list[tuple[datetime, int]]:
    return [(START + timedelta(hours=number), count) for number, count in enumerate(counts)]


def test_small_hours_are_taken_together() -> None:
    (piece,) = pieces_of(hours(3, 4, 3), size=10)
    assert piece == CallPiece(START, START + timedelta(hours=2), 10)


def test_a_piece_ends_before_it_is_too_large() -> None:
    assert [piece.events for piece in pieces_of(hours(6, 5, 5), size=10)] == [6, 10]


def test_a_piece_stays_within_its_month() -> None:
    november = datetime(2026, 11, 1, tzinfo=UTC)
    pieces = list(pieces_of(hours(1, 1, 1, 1, 1, 1), size=100))
    assert [(piece.first_hour, piece.events) for piece in pieces] == [(START, 4), (november, 2)]


def test_a_large_hour_is_cut_by_the_hash_of_ids() -> None:
    pieces = list(pieces_of(hours(25), size=10))
    assert [(piece.slice, piece.slices) for piece in pieces] == [(0, 3), (1, 3), (2, 3)]
    assert sum(piece.events for piece in pieces) == 25


def test_no_hours_make_no_piece() -> None:
    assert list(pieces_of([], size=10)) == []


@pytest.mark.parametrize("end", [START, START - timedelta(hours=1), START.replace(tzinfo=None)])
def test_a_window_that_is_none_is_refused(end: datetime) -> None:
    with pytest.raises(RepriceError):
        CallSelection(start=START, end=end)


def test_a_selection_describes_its_filters() -> None:
    described = CallSelection(start=START, end=START + timedelta(days=1), models=("gpt-4o",)).describe()
    assert described == (
        '{"end": "2026-11-01T20:00:00+00:00", "models": ["gpt-4o"], "orgs": [], "providers": [],'
        ' "start": "2026-10-31T20:00:00+00:00"}'
    )
