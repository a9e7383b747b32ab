"""Deduplication: the filter of stored ids, and which events of a chunk are inserted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from spendmeter_stream.ingest.decode import Events
from spendmeter_stream.ingest.dedup import SeenIds, StoredAt, drop_duplicates
from spendmeter_stream.journal.coordinates import Coordinates
from tests.support.records import event

START = datetime(2026, 11, 1, tzinfo=UTC)
HERE = Coordinates("topic-1", 3)


def at(number: int, moment: datetime) -> Events:
    return Events.of([event(number).model_copy(update={"occurred_at": moment})])


def stored(*numbers: int) -> Events:
    events = [event(number) for number in numbers]
    return Events.of([e.model_copy(update={"occurred_at": START + timedelta(minutes=e.event_id.int)}) for e in events])


def test_an_empty_filter_proves_everything_new() -> None:
    assert SeenIds(capacity=1000).possible_duplicates(at(1, START)) == []


@given(st.sets(st.integers(1, 10**6), min_size=1, max_size=200), st.integers(1, 50))
def test_a_stored_id_is_always_a_possible_duplicate(numbers: set[int], capacity: int) -> None:
    """When ids are dropped because a slice is full, the covered span shrinks with them."""
    seen = SeenIds(capacity=capacity)
    for number in numbers:
        seen.add(stored(number))
    assert seen.possible_duplicates(stored(*numbers)) == list(range(len(numbers)))


def test_dropping_a_slice_shortens_the_covered_span() -> None:
    seen = SeenIds(capacity=10)
    seen.add(stored(*range(1, 31)))
    assert seen.since == (START + timedelta(minutes=10)).timestamp() * 1000 + 1
    assert seen.possible_duplicates(at(99, START)) == [0]
    assert seen.possible_duplicates(at(99, START + timedelta(hours=2))) == []


def test_a_copy_stamped_later_is_looked_up_if_the_covered_span_starts_between_the_two() -> None:
    seen = SeenIds(capacity=10)
    # The first copy was dropped; a retry sets a new timestamp, up to an hour later.
    seen.add(stored(*range(1, 31)))
    first = START + timedelta(minutes=1)
    assert first.timestamp() * 1000 < seen.since
    for later in (timedelta(minutes=11), timedelta(hours=1)):
        assert seen.possible_duplicates(at(1, first + later)) == [0]


def offsets_kept(numbers: list[int], where: dict[int, StoredAt], *, recovery: bool = False) -> list[int]:
    known = {UUID(int=number).bytes: at for number, at in where.items()}
    events = drop_duplicates(Events.of([event(number) for number in numbers]), known, ours=HERE if recovery else None)
    assert [int.from_bytes(key) for key in events.keys] == [numbers[offset] for offset in events.offsets]
    return events.offsets


def test_a_duplicate_within_the_chunk_is_inserted_once() -> None:
    assert offsets_kept([7, 8, 7, 9, 8], {}) == [0, 1, 3]


def test_a_stored_event_is_dropped() -> None:
    assert offsets_kept([7, 8], {7: StoredAt("topic-1", 3, 500)}) == [1]


def test_a_recovery_keeps_only_rows_under_its_own_coordinates() -> None:
    own, elsewhere, earlier_epoch = StoredAt("topic-1", 3, 0), StoredAt("topic-1", 3, 500), StoredAt("topic-0", 3, 2)
    assert offsets_kept([7, 8, 9], {7: own, 8: elsewhere, 9: earlier_epoch}, recovery=True) == [0]


def test_outside_a_recovery_own_coordinates_are_dropped_too() -> None:
    """The group's offsets were reset manually: the token may have expired, so a retry could insert twice."""
    assert offsets_kept([7], {7: StoredAt("topic-1", 3, 0)}) == []
