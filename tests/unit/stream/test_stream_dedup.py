"""What is surely new, and what goes into a block."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from spendmeter_stream.block import Coordinates
from spendmeter_stream.dedup import SeenIds, StoredAt, not_yet_stored
from spendmeter_stream.validate import Validated
from tests.support.records import event

START = datetime(2026, 11, 1, tzinfo=UTC)
HERE = Coordinates("life-1", 3)


def stored(*numbers: int) -> list[tuple[UUID, datetime]]:
    return [(UUID(int=number), START + timedelta(minutes=number)) for number in numbers]


def test_an_empty_memory_calls_everything_new() -> None:
    assert SeenIds(capacity=1000).surely_new(UUID(int=1), START)


@given(st.sets(st.integers(1, 10**6), min_size=1, max_size=200), st.integers(1, 50))
def test_no_stored_id_is_ever_surely_new(numbers: set[int], capacity: int) -> None:
    """However many ids are forgotten for lack of room, the time that they covered is given up with them."""
    seen = SeenIds(capacity=capacity)
    for event_id, occurred_at in stored(*numbers):
        seen.add([(event_id, occurred_at)])
    assert not any(seen.surely_new(event_id, occurred_at) for event_id, occurred_at in stored(*numbers))


def test_what_is_forgotten_moves_the_span_forward() -> None:
    seen = SeenIds(capacity=10)
    seen.add(stored(*range(1, 31)))
    assert seen.since == START + timedelta(minutes=10, milliseconds=1)
    assert not seen.surely_new(UUID(int=99), START)
    assert seen.surely_new(UUID(int=99), START + timedelta(hours=2))


def offsets_kept(numbers: list[int], where: dict[int, StoredAt], *, replay: bool = False) -> list[int]:
    validated = Validated([event(number) for number in numbers], list(range(len(numbers))), [])
    known = {UUID(int=number): at for number, at in where.items()}
    events, offsets = not_yet_stored(validated, known, ours=HERE if replay else None)
    assert [e.event_id.int for e in events] == [numbers[offset] for offset in offsets]
    return offsets


def test_a_repeat_inside_the_chunk_goes_in_once() -> None:
    assert offsets_kept([7, 8, 7, 9, 8], {}) == [0, 1, 3]


def test_what_is_stored_stays_out() -> None:
    assert offsets_kept([7, 8], {7: StoredAt("life-1", 3, 500)}) == [1]


def test_a_replay_keeps_its_own_rows_and_no_others() -> None:
    own, elsewhere, earlier_life = StoredAt("life-1", 3, 0), StoredAt("life-1", 3, 500), StoredAt("life-0", 3, 2)
    assert offsets_kept([7, 8, 9], {7: own, 8: elsewhere, 9: earlier_life}, replay=True) == [0]


def test_outside_a_replay_even_own_coordinates_stay_out() -> None:
    """The group was moved back by hand: the token may be forgotten, so nothing may go in twice."""
    assert offsets_kept([7], {7: StoredAt("life-1", 3, 0)}) == []
