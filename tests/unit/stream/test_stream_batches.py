"""Raw batches: the readable records, and the coordinates of skipped ranges."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import cramjam
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from spendmeter_stream.kafka import batches as under_test
from spendmeter_stream.kafka.batches import RawBatches, ReadableRecords
from spendmeter_stream.kafka.inflate import LIMIT
from tests.support.kafka.raw import CODECS, RawRecord, batch, sealed

GOOD = RawRecord(key=b"k", value=b"v", headers=[(b"h", b"x")])


@dataclass
class Reading:
    """A consumer that fetches from its position, as aiokafka's does."""

    log: list[bytes]
    records: list[ConsumerRecord] = field(default_factory=list)
    skipped: list[tuple[int, int, str]] = field(default_factory=list)
    position: int = 0

    def read(self, topic: str = "t") -> Reading:
        for _ in range(2 * len(self.log) + 2):
            rest = [raw for raw in self.log if self._end(raw) > self.position]
            found = self._fetch(topic, b"".join(rest))
            self.records += found
            self.position = found.position
        return self

    def _end(self, raw: bytes) -> int:
        return int(struct.unpack_from(">q", raw)[0] + struct.unpack_from(">i", raw, 23)[0] + 1)

    def _fetch(self, topic: str, data: bytes) -> Fetched:
        records = ReadableRecords(TopicPartition(topic, 0), RawBatches(data), None, self.position, None, None, True, 0)
        return Fetched(list(records), records.next_fetch_offset)


class Fetched(list[ConsumerRecord]):
    def __init__(self, records: list[ConsumerRecord], position: int) -> None:
        super().__init__(records)
        self.position = position


@pytest.fixture(autouse=True)
def skipped(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, str]]:
    """Return the skipped ranges."""
    found: list[tuple[int, int, str]] = []
    monkeypatch.setattr(under_test, "skip_range", lambda _t, _p, start, end, why, _f: found.append((start, end, why)))
    under_test._distrusted.clear()
    return found


def at(offset: int, raw: bytes) -> bytes:
    return struct.pack(">q", offset) + raw[8:]


def offsets(reading: Reading) -> list[int]:
    return [record.offset for record in reading.records]


@pytest.mark.parametrize("codec", CODECS)
def test_a_header_key_that_is_not_utf8_is_escaped(codec: str, skipped: list[object]) -> None:
    odd = RawRecord(key=b"k", value=b"v", headers=[(b"\xff\xfeh", b"x"), (b"n", None)], timestamp=-7)
    reading = Reading([batch([GOOD, odd, GOOD], codec=codec), at(3, batch([GOOD]))]).read()
    assert offsets(reading) == [0, 1, 2, 3]
    assert reading.records[1].headers == (("\\xff\\xfeh", b"x"), ("n", None))
    assert reading.records[1].timestamp == -7
    assert {(it.key, it.value) for it in reading.records} == {(b"k", b"v")}
    assert not skipped


BROKEN: Mapping[str, Callable[[bytes], bytes]] = {
    "crc": lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
    "compression": lambda raw: sealed(raw[:62] + b"\0" * (len(raw) - 62)),
    "structure": lambda raw: sealed(raw[:61] + b"\xff" * (len(raw) - 61)),
    "unknown codec": lambda raw: sealed(raw[:22] + bytes([raw[22] | 7]) + raw[23:]),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("codec", CODECS)
def test_a_broken_batch_costs_itself_only(codec: str, fault: str, skipped: list[tuple[int, int, str]]) -> None:
    broken = BROKEN[fault](at(2, batch([GOOD] * 3, codec=codec)))
    reading = Reading([batch([GOOD] * 2, codec=codec), broken, at(5, batch([GOOD] * 2, codec=codec))]).read()
    assert offsets(reading) == [0, 1, 5, 6]
    # Zeros may be records of length zero, each of which is invalid.
    assert [offset for start, end, _ in skipped for offset in range(start, end)] == [2, 3, 4]
    assert skipped[0][2] in {"crc", "compression", "structure"}


def test_a_broken_record_costs_itself_only(skipped: list[object]) -> None:
    raw = bytearray(batch([GOOD] * 3))
    size = (len(raw) - 61) // 3
    raw[61 + size + 4] = 0x7F  # the length of the second key
    assert offsets(Reading([sealed(bytes(raw))]).read()) == [0, 2]
    assert skipped == [(1, 2, "structure")]


def test_a_wrong_checksum_is_fetched_again_before_it_is_believed(skipped: list[object]) -> None:
    good = batch([GOOD] * 2)
    broken = BROKEN["crc"](good)
    reading = Reading([broken])
    assert reading._fetch("t", broken) == []
    assert not skipped
    reading.log = [good]
    assert offsets(reading.read()) == [0, 1]
    assert not skipped


def test_a_decompression_bomb_is_not_inflated(skipped: list[object]) -> None:
    bombs = {
        1: cramjam.gzip.compress(bytes(2 * LIMIT)),
        2: cramjam.snappy.compress_raw(bytes(2 * LIMIT)),
        3: cramjam.lz4.compress(bytes(2 * LIMIT)),
        4: cramjam.zstd.compress(bytes(2 * LIMIT)),
    }
    head = batch([GOOD])[:61]
    log = [
        at(offset, sealed(head[:22] + bytes([codec]) + head[23:] + bytes(body)))
        for offset, (codec, body) in enumerate(bombs.items())
    ]
    assert offsets(Reading([*log, at(4, batch([GOOD]))]).read()) == [4]
    assert skipped == [(offset, offset + 1, "too_large") for offset in range(4)]


def test_a_batch_that_the_response_cuts_off_is_read_next_time_or_skipped(skipped: list[object]) -> None:
    first, second = batch([GOOD] * 2), at(2, batch([GOOD] * 2))
    reading = Reading([])
    assert [it.offset for it in reading._fetch("t", first + second[:-3])] == [0, 1]
    assert not skipped
    reading.position = 2
    assert reading._fetch("t", second[:-3]) == []
    assert skipped == [(2, 4, "too_large")]


@settings(max_examples=300)
@given(data=st.data(), codec=st.sampled_from(sorted(CODECS)), crc=st.booleans())
def test_any_damage_ends_and_never_goes_back(data: st.DataObject, codec: str, crc: bool) -> None:
    raw = bytearray(batch([GOOD] * 4, codec=codec))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(8, len(raw) - 1))] = data.draw(st.integers(0, 255))
    damaged = sealed(bytes(raw)) if crc else bytes(raw)
    under_test._distrusted.clear()
    reading = Reading([])
    for _ in range(3):
        before = reading.position
        fetched = reading._fetch("t", damaged)
        assert fetched.position >= before
        reading.position = fetched.position
