"""Whole records, good and bad, through the real worker: every good event is stored, every bad record is accounted for.

The records are generated from a seed and sent as raw batches, many of which no client library would write.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import cramjam

from spendmeter_clickhouse import Store
from spendmeter_events.topics import USAGE
from spendmeter_stream.dlq import RedrivePlan, dead_letters, redrive_dead_letters
from spendmeter_stream.dlq.letters import Filter
from spendmeter_stream.kafka.inflate import LIMIT
from spendmeter_stream.kafka.topic_admin import ensure_topics
from tests.support.kafka.raw import CODECS, NOW, RawRecord, batch, client, produce, sealed
from tests.support.metrics import metric
from tests.support.records import event_fields
from tests.support.until import until
from tests.support.worker import count, stream_settings, working

SEED = int(os.environ.get("SPENDMETER_TEST_SEED", "20261126"))
CASES = int(os.environ.get("SPENDMETER_TEST_POISON", "50000"))
_DEEP = 10_000
_ORG = "fuzz"


def skipped(topic: str) -> float:
    reasons = ("crc", "compression", "structure", "too_large", "invalid", "refused", "dead_letter")
    return sum(metric("spendmeter_records_skipped_total", topic=topic, reason=reason) for reason in reasons)


class Fuzz:
    """Generate records. `good` counts the events of `_ORG`."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.good = 0
        self.bad = 0

    def records(self, number: int) -> list[RawRecord]:
        return [self._record() for _ in range(number)]

    def _record(self) -> RawRecord:
        event = self.event()
        if self._random.random() < 0.4:
            self.good += 1
            return event
        self.bad += 1
        return self._spoilt(event)

    def event(self) -> RawRecord:
        fields = event_fields(self._random.getrandbits(120), org_id=_ORG)
        return RawRecord(
            key=self._key(UUID(fields["event_id"])),
            value=json.dumps(fields).encode(),
            headers=self._headers(),
            timestamp=self._timestamp(),
        )

    def _key(self, event_id: UUID) -> bytes | None:
        # A few keys of other clients: their events are looked up one by one.
        odd = [None, b"", b"x", b"\xff" * 16, b"k" * 300, str(event_id).encode()]
        return self._random.choice(odd) if self._random.random() < 0.02 else event_id.bytes

    def _headers(self) -> list[tuple[bytes, bytes | None]]:
        keys = [b"trace", b"", b"\xff\xfe", b"attempts", "ключ".encode(), b"\xed\xa0\x80", b"original.x"]
        values = [None, b"", b"x", b"\x00\xff", b"9" * 40]
        number = self._random.choice([0, 0, 0, 1, 2])
        return [(self._random.choice(keys), self._random.choice(values)) for _ in range(number)]

    def _timestamp(self) -> int:
        return self._random.choice([NOW, NOW, NOW, -1, -5, 0, 1, NOW // 1000])

    def _spoilt(self, event: RawRecord) -> RawRecord:
        spoil = self._random.choice(LARGE if self._random.random() < 0.01 else SPOILERS)
        return spoil(event, json.loads(event.value or b""), self._random)


def _with(event: RawRecord, fields: dict[str, Any], **changes: Any) -> RawRecord:
    return replace(event, value=json.dumps({**fields, **changes}).encode())


def _without_value(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    return replace(event, value=chooser.choice([None, b""]))


def _array(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    return replace(event, value=b"[" + (event.value or b"") + b"]")


def _deep(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    opening, closing = chooser.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return replace(event, value=opening * _DEEP + b"1" + closing * _DEEP)


def _deep_in_tags(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    value = json.dumps({**fields, "tags": None}).encode()
    return replace(event, value=value.replace(b"null", b'{"a":' * _DEEP + b"1" + b"}" * _DEEP))


def _odd_number(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    number = chooser.choice([b"9" * 5000, b"1e999", b"-1e400", b"NaN", b"Infinity", b"-1", b"1.5"])
    return replace(event, value=(event.value or b"").replace(b": 1000", b": " + number, 1))


def _odd_text(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    value, text = event.value or b"", chooser.choice([b"\\ud800", b"\xed\xa0\x80", b"\xff", b"\x01"])
    return replace(event, value=value.replace(b"gpt-4o", text))


def _byte_order_mark(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    return replace(event, value=b"\xef\xbb\xbf" + (event.value or b""))


def _cut_off(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    value = event.value or b""
    return replace(event, value=value[: chooser.randrange(len(value))])


def _noise(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    return replace(event, value=chooser.randbytes(chooser.randrange(1, 300)))


def _prompt(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    return _with(event, fields, prompt="secret", **{"secret" * 20: 1})


def _odd_moment(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    moments = ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00", "1970-01-01T00:00:00Z", "now", 0, 1e300]
    return _with(event, fields, occurred_at=chooser.choice(moments))


def _key_twice(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    return replace(event, value=(event.value or b"")[:-1] + b', "input_tokens": -1}')


def _odd_tags(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    return _with(
        event, fields, tags=chooser.choice([{"k": ["x"]}, [], {"k" * 999: "v"}, {str(n): "v" for n in range(99)}])
    )


def _large(event: RawRecord, fields: dict[str, Any], chooser: random.Random) -> RawRecord:
    return replace(event, value=b"x" * 70_000)


SPOILERS = (
    _without_value, _array, _odd_number, _odd_text, _byte_order_mark, _cut_off, _noise, _prompt, _odd_moment,
    _key_twice, _odd_tags,
)  # fmt: skip
LARGE = (_deep, _deep_in_tags, _large)
"""One bad record in a hundred. More would only make the topic longer."""


def batches(fuzz: Fuzz, chooser: random.Random) -> Iterator[bytes]:
    """Return at least `CASES` records in batches of every codec."""
    left = CASES
    while left > 0:
        number = min(left, chooser.choice([1, 2, 10, 100, 400]))
        yield batch(fuzz.records(number), codec=chooser.choice(list(CODECS)))
        left -= number


def broken(good: RawRecord) -> dict[str, bytes]:
    """Return batches that cannot be read; the embedded broker accepts them all."""
    raw, packed = batch([good] * 3), batch([good] * 3, codec="zstd")
    bomb = sealed(raw[:22] + b"\x04" + raw[23:61] + bytes(cramjam.zstd.compress(bytes(2 * LIMIT))))
    return {
        "crc": raw[:-1] + bytes([raw[-1] ^ 1]),
        "compression": sealed(packed[:70] + bytes(12) + packed[82:]),
        "structure": sealed(raw[:61] + b"\xff" * (len(raw) - 61)),
        "too_large": bomb,
    }


async def test_every_good_event_among_50_000_odd_records_is_stored(fresh_tansu: Any, store: Store) -> None:
    settings = stream_settings(fresh_tansu.connection, group="fuzz", max_bad_in_a_row=CASES, usage_partitions=1)
    await ensure_topics(settings.client_options(), usage_partitions=1)
    fuzz, chooser = Fuzz(SEED), random.Random(SEED)
    dead, passed = metric("spendmeter_events_total", outcome="dead_letter"), skipped(USAGE)
    sender = client(fresh_tansu.connection)
    await sender.bootstrap()
    unreadable = broken(fuzz.event())
    kinds = itertools.cycle(unreadable)
    expected: Counter[str] = Counter()
    for number, raw in enumerate(batches(fuzz, chooser)):
        await produce(sender, USAGE, raw)
        if number % 20 == 0:
            kind = next(kinds)
            await produce(sender, USAGE, unreadable[kind])
            expected[kind] += 3
    large = replace(fuzz.event(), value=b"[" + b" " * (8 * 2**20) + b"]")
    await produce(sender, USAGE, batch([large, fuzz.event()], codec="lz4"))
    await sender.close()
    fuzz.good, fuzz.bad = fuzz.good + 1, fuzz.bad + 1
    async with working(settings, store) as worker:
        await until(worker.ingest.caught_up, attempts=60_000)
        assert metric("spendmeter_partition_stopped", partition="0") == 0
    assert await count(store, _ORG) == fuzz.good
    assert metric("spendmeter_events_total", outcome="dead_letter") - dead == fuzz.bad
    assert skipped(USAGE) - passed == expected.total()
    letters = [letter async for letter in dead_letters(settings)]
    assert len(letters) == fuzz.bad
    assert not [letter for letter in letters if "secret" in letter.message]
    assert {letter.code for letter in letters} >= {"empty", "not_json", "batch", "too_large", "invalid_field"}
    plan = RedrivePlan(filter=Filter(code="batch"), per_second=10_000, limit=50)
    assert (await redrive_dead_letters(settings, plan)).sent == 50
