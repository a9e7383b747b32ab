"""Delivery against scripted responses, which a real broker does not produce on demand."""

from __future__ import annotations

import asyncio

from aiokafka.errors import (
    DuplicateSequenceNumber,
    KafkaConnectionError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    UnknownError,
)
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given
from hypothesis import strategies as st

from spendmeter_events import DropReason, ProducerSettings
from spendmeter_events._delivery.back_off import back_off
from spendmeter_events._delivery.verdict import Verdict, error_for, verdict
from tests.support.scripted_link import Bench, ScriptedLink


async def test_acknowledged_events_leave_the_buffer() -> None:
    link = ScriptedLink(lambda *_: None, width=4)
    bench = Bench(link)
    values = bench.fill(500)

    await bench.run()

    assert sorted(link.stored) == values
    assert (bench.delivery.sent, bench.buffer.bytes, bench.buffer.waiting_bytes) == (500, 0, 0)


async def test_one_oversized_record_costs_only_itself() -> None:
    """Given a broker that rejects every batch with a certain record, then all other records arrive."""
    poison = b"event-00077"
    link = ScriptedLink(lambda _, __, values: MessageSizeTooLargeError() if poison in values else None)
    bench = Bench(link)
    values = bench.fill(200)

    await bench.run()

    assert sorted(link.stored) == [value for value in values if value != poison]
    assert bench.losses.counts() == {DropReason.REFUSED: 1}


async def test_unknown_error_is_retried_until_it_ends() -> None:
    """Given a broker that returns "unknown server error" a hundred times, then no event is dropped."""
    seen: list[int] = []

    def respond(_: int, __: DefaultRecordBatch, values: list[bytes]) -> Exception | None:
        seen.append(len(values))
        return UnknownError() if len(seen) <= 100 else None

    bench = Bench(ScriptedLink(respond))
    bench.fill(10)

    await bench.run()

    assert seen == [10] * 101
    assert bench.losses.counts() == {}


def test_verdict_of_every_error_code() -> None:
    """Codes of the Kafka protocol.

    0 none, 10 message too large, 18 record list too large, 32 timestamp, 44 policy, 45 out of order, 46 duplicate,
    47 epoch, 59 unknown producer, 87 invalid record.
    """
    codes = {code: verdict(error_for(code)) for code in range(-1, 120)}
    assert {code for code, what in codes.items() if what is Verdict.SENT} == {0, 46}
    assert {code for code, what in codes.items() if what is Verdict.REFUSED} == {10, 18, 32, 43, 44, 87}
    assert {code for code, what in codes.items() if what is Verdict.NEW_PRODUCER_ID} == {45, 47, 49, 59}


async def test_retry_is_the_same_batch() -> None:
    """Given a lost response, when the batch is sent again, then its bytes are the same, so that an idempotent broker
    recognises it; the next batch continues the sequence."""
    outcomes = iter([KafkaConnectionError(), KafkaConnectionError(), None, None])
    link = ScriptedLink(lambda *_: next(outcomes))
    bench = Bench(link, batch_bytes=270)
    bench.fill(20)

    await bench.run()

    payloads = [payload for _, payload in link.batches]
    assert payloads[0] == payloads[1] == payloads[2]
    assert [DefaultRecordBatch(payload).base_sequence for payload in payloads] == [0, 0, 0, 10]
    assert {DefaultRecordBatch(payload).producer_id for payload in payloads} == {1}


async def test_producer_id_survives_a_reconnect() -> None:
    outcomes = iter([KafkaConnectionError(), None])
    link = ScriptedLink(lambda *_: next(outcomes))
    bench = Bench(link)
    bench.fill(3)

    await bench.run()

    assert (bench.opened, link.closed, link.producer_ids) == (2, 1, 1)
    assert bench.delivery.idempotent is True


async def test_duplicate_sequence_means_sent() -> None:
    bench = Bench(ScriptedLink(lambda *_: DuplicateSequenceNumber()))
    bench.fill(3)

    await bench.run()

    assert bench.delivery.sent == 3


async def test_rejected_producer_id_is_replaced_and_sequences_restart() -> None:
    """Given a broker that no longer recognises the producer id, then a new id starts at sequence 0 in every lane."""
    known = {1: False, 2: True}
    link = ScriptedLink(lambda _, batch, __: None if known[batch.producer_id] else OutOfOrderSequenceNumber(), width=3)
    bench = Bench(link)
    values = bench.fill(60)

    await bench.run()

    assert sorted(link.stored) == values
    final = [DefaultRecordBatch(payload) for _, payload in link.batches[-3:]]
    assert [(batch.producer_id, batch.base_sequence) for batch in final] == [(2, 0)] * 3


async def test_broker_without_producer_ids_gets_batches_without_sequence() -> None:
    link = ScriptedLink(lambda *_: None, assigns_id=False)
    bench = Bench(link)
    bench.fill(3)

    await bench.run()

    batch = DefaultRecordBatch(link.batches[0][1])
    assert bench.delivery.idempotent is False
    assert (batch.producer_id, batch.base_sequence) == (-1, -1)


async def test_failing_partition_does_not_delay_the_others() -> None:
    """Given one partition without a leader, when rounds continue, then the others receive all their records."""
    link = ScriptedLink(lambda partition, *_: NotLeaderForPartitionError() if partition == 2 else None, width=4)
    bench = Bench(link, batch_bytes=400)
    bench.fill(400)

    for _ in range(80):
        await bench.delivery.round()

    waiting = bench.buffer.events
    assert 0 < waiting < 200
    assert bench.delivery.sent == 400 - waiting
    assert link.closed == 0
    assert sum(partition == 2 for partition, _ in link.batches) < 5


async def test_topic_recreated_with_fewer_partitions() -> None:
    """Given events queued for partition 3, when the topic returns with one partition, then they are sent there."""
    link = ScriptedLink(lambda partition, *_: KafkaConnectionError() if partition else None, width=4)
    bench = Bench(link)
    values = bench.fill(100)
    await bench.delivery.round()

    link.width = 1
    await bench.run()

    assert sorted(link.stored) == values


async def test_unexpected_error_does_not_end_the_loop() -> None:
    outcomes = iter([ZeroDivisionError("a bug"), None])

    def respond(*_: object) -> Exception | None:
        error = next(outcomes)
        if error is not None:
            raise error
        return None

    bench = Bench(ScriptedLink(respond))
    bench.fill(5)

    await bench.run()

    assert bench.delivery.sent == 5
    assert "a bug" in bench.delivery.last_error


def test_back_off_doubles_up_to_its_cap() -> None:
    settings = ProducerSettings(retry_backoff_s=0.25, retry_backoff_max_s=15)
    assert [back_off(failures, settings, jitter=1) for failures in (1, 2, 3, 7, 1000)] == [0.25, 0.5, 1, 15, 15]
    assert back_off(1, settings, jitter=0) == 0.125


_ERRORS = [
    None,
    None,
    KafkaConnectionError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    MessageSizeTooLargeError,
    UnknownError,
]


@given(
    script=st.lists(st.sampled_from(_ERRORS), max_size=60),
    width=st.integers(1, 5),
    count=st.integers(1, 120),
    batch_bytes=st.sampled_from([40, 500, 10_000]),
)
def test_every_event_is_stored_once_or_counted_as_refused(
    script: list[type[Exception] | None], width: int, count: int, batch_bytes: int
) -> None:
    """Whatever the broker returns (here, an error always means not stored), no event is lost or duplicated."""
    outcomes = iter(script)

    def respond(*_: object) -> Exception | None:
        error = next(outcomes, None)
        return error() if error else None

    async def scenario() -> None:
        link = ScriptedLink(respond, width=width)
        bench = Bench(link, batch_bytes=batch_bytes)
        values = bench.fill(count)
        await bench.run(rounds=2000)
        refused = bench.losses.counts().get(DropReason.REFUSED, 0)
        assert len(link.stored) == len(set(link.stored)) == bench.delivery.sent == count - refused
        assert set(link.stored) <= set(values)
        assert (bench.buffer.events, bench.buffer.bytes, bench.buffer.waiting_bytes) == (0, 0, 0)

    asyncio.run(scenario())
