"""The bounded buffer: limits, order and counters."""

from __future__ import annotations

import threading
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from spendmeter_events._delivery.buffer import Buffer, Record


def _record(number: int, size: int = 10) -> Record:
    return Record.of(number.to_bytes(4), b"x" * (size - 4), timestamp_ms=0)


def test_buffer_turns_the_newest_away_when_full() -> None:
    buffer = Buffer(max_events=2, max_bytes=1000)
    assert [buffer.put(_record(number)) for number in range(3)] == [True, True, False]
    assert [record.key[-1] for record in buffer.take(1000)] == [0, 1]


def test_buffer_counts_the_bytes_in_flight() -> None:
    """Given taken records that are not released, then they still count."""
    buffer = Buffer(max_events=100, max_bytes=25)
    assert buffer.put(_record(0))
    assert buffer.put(_record(1))
    taken = buffer.take(1000)
    assert not buffer.put(_record(2))
    buffer.release(taken)
    assert buffer.put(_record(2))


def test_take_gives_at_least_one_record() -> None:
    buffer = Buffer(max_events=10, max_bytes=1000)
    buffer.put(_record(0, size=100))
    buffer.put(_record(1, size=100))
    assert len(buffer.take(5)) == 1


def test_reinserted_records_keep_their_order() -> None:
    buffer = Buffer(max_events=10, max_bytes=1000)
    for number in range(5):
        buffer.put(_record(number))
    buffer.reinsert(buffer.take(30))
    assert [record.key[-1] for record in buffer.take(1000)] == [0, 1, 2, 3, 4]


def test_abandoned_buffer_accepts_nothing() -> None:
    buffer = Buffer(max_events=10, max_bytes=1000)
    buffer.put(_record(0))
    buffer.put(_record(1))
    buffer.take(10)
    assert buffer.abandon() == 2
    assert not buffer.put(_record(2))
    assert (buffer.events, buffer.bytes, buffer.waiting_bytes) == (0, 0, 0)


def test_buffer_is_fed_by_many_threads() -> None:
    buffer = Buffer(max_events=100_000, max_bytes=10**9)

    def feed() -> None:
        for number in range(2000):
            buffer.put(_record(number))

    threads = [threading.Thread(target=feed) for _ in range(8)]
    for thread in threads:
        thread.start()
    taken = 0
    while any(thread.is_alive() for thread in threads) or buffer.waiting_bytes:
        records = buffer.take(5000)
        taken += len(records)
        buffer.release(records)
    assert (taken, buffer.accepted, buffer.events, buffer.bytes) == (16_000, 16_000, 0, 0)


@given(steps=st.lists(st.tuples(st.sampled_from(["put", "take", "back", "release"]), st.integers(4, 60))))
def test_buffer_keeps_its_books(steps: list[tuple[str, int]]) -> None:
    """In any order of operations, the counts equal those of a simple model, and no limit is exceeded."""
    buffer = Buffer(max_events=20, max_bytes=500)
    waiting: deque[Record] = deque()
    taken: list[Record] = []
    for number, (step, size) in enumerate(steps):
        match step:
            case "put":
                record = _record(number, size)
                expected = [*waiting, *taken]
                fits = len(expected) < 20 and sum(one.size for one in expected) + size <= 500
                assert buffer.put(record) == fits
                if fits:
                    waiting.append(record)
            case "take":
                got = buffer.take(size)
                assert got == [waiting.popleft() for _ in got]
                taken += got
            case "back":
                buffer.reinsert(taken)
                waiting.extendleft(reversed(taken))
                taken = []
            case "release":
                buffer.release(taken)
                taken = []
        assert buffer.events == len(waiting) + len(taken)
        assert buffer.bytes == sum(record.size for record in [*waiting, *taken])
        assert buffer.waiting_bytes == sum(record.size for record in waiting)
