"""`emit` without a broker: it returns True or False, and never fails the metered call."""

from __future__ import annotations

import asyncio
import logging
import socket
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import pytest

from spendmeter_events import (
    DropReason,
    EventRefused,
    KafkaConnection,
    ProducerClosed,
    ProducerSettings,
    UsageEvent,
    UsageProducer,
)
from spendmeter_events._delivery.losses import Losses
from tests.support.kafka.process import free_port
from tests.support.until import until


def _event(**fields: Any) -> UsageEvent:
    return UsageEvent.now(
        **{"org_id": "school-1", "feature": "chat", "provider": "openai", "model": "gpt-4o", **fields}
    )


def _oversized() -> UsageEvent:
    """Return an event that is too large, which is possible only without validation."""
    return UsageEvent.model_construct(
        event_id=uuid4(), occurred_at=datetime.now(UTC), org_id="o" * 70_000, feature="f", provider="p", model="m"
    )


def _producer(**settings: Any) -> UsageProducer:
    """Return a producer for a port without a listener."""
    return UsageProducer(
        connection=KafkaConnection(bootstrap_servers=f"127.0.0.1:{free_port()}"),
        settings=ProducerSettings(retry_backoff_s=0.01, retry_backoff_max_s=0.05, **settings),
    )


async def test_emit_before_start_is_counted() -> None:
    producer = _producer()
    assert producer.emit(_event()) is False
    assert producer.stats.dropped == {DropReason.NOT_STARTED: 1}
    assert await producer.close() == 0


async def test_start_twice_changes_nothing() -> None:
    producer = _producer()
    await producer.start()
    await producer.start()
    assert await producer.close() == 0


async def test_emit_after_close_is_counted() -> None:
    producer = _producer()
    await producer.start()
    assert await producer.close() == 0
    assert producer.emit(_event()) is False
    assert producer.stats.dropped == {DropReason.CLOSED: 1}
    with pytest.raises(ProducerClosed):
        await producer.start()


_NO_FIELDS: dict[str, Any] = {}
_NO_EVENTS = [None, "text", {"org_id": "x"}, object(), UsageEvent.model_construct(**_NO_FIELDS), UsageEvent]


@pytest.mark.parametrize(
    "thing", [None, "text", {"org_id": "x"}, object(), UsageEvent.model_construct(**_NO_FIELDS), UsageEvent]
)
async def test_emit_of_anything_else_is_counted(thing: Any) -> None:
    async with _producer() as producer:
        assert producer.emit(thing) is False
        assert producer.stats.dropped == {DropReason.INVALID: 1}


async def test_emit_of_oversized_event_is_counted() -> None:
    async with _producer() as producer:
        assert producer.emit(_oversized()) is False
        assert producer.stats.dropped == {DropReason.OVERSIZED: 1}


async def test_broker_down_buffers_then_drops_the_newest() -> None:
    """Given no broker and room for 5, when 8 are emitted, then 5 are buffered, 3 are counted, and `close` returns 5."""
    producer = _producer(max_buffered_events=5)
    await producer.start()

    accepted = [producer.emit(_event()) for _ in range(8)]
    # Attempts fail meanwhile; the buffer keeps accepted events.
    await until(lambda: producer.stats.failed_attempts >= 3)

    assert accepted == [True] * 5 + [False] * 3
    assert (producer.stats.buffered, producer.stats.connected) == (5, False)
    assert "bootstrap" in producer.stats.last_error
    assert await producer.close(timeout=0.1) == 5
    stats = producer.stats
    assert stats.dropped == {DropReason.BUFFER_FULL: 3, DropReason.UNSENT: 5}
    assert (stats.accepted, stats.buffered, stats.buffered_bytes, stats.lost) == (5, 0, 0, 8)


async def test_buffer_is_bounded_in_bytes() -> None:
    size = len(_event().to_json()) + 16
    producer = _producer(max_buffered_bytes=size * 3 + size // 2)
    await producer.start()
    assert [producer.emit(_event()) for _ in range(5)] == [True] * 3 + [False] * 2
    await producer.close(timeout=0)


async def test_close_twice_and_at_once_gives_the_same_answer() -> None:
    producer = _producer()
    await producer.start()
    producer.emit(_event())
    assert list(await asyncio.gather(producer.close(0), producer.close(5))) == [1, 1]
    assert await producer.close() == 1


async def test_start_does_not_need_the_loop_that_closed() -> None:
    """Given a loop that ended without `close`, then `emit` returns False instead of filling the buffer."""
    producer = _producer()
    other = asyncio.new_event_loop()

    async def start_there() -> None:
        await producer.start()

    await asyncio.to_thread(other.run_until_complete, start_there())
    cast(Any, producer)._runner.cancel()  # noqa: SLF001 - the loop ends without `close`
    await asyncio.to_thread(other.run_until_complete, asyncio.sleep(0))
    other.close()
    assert producer.emit(_event()) is False
    assert producer.stats.dropped == {DropReason.CLOSED: 1}


async def test_put_raises_what_emit_counts() -> None:
    producer = _producer()
    with pytest.raises(ProducerClosed):
        await producer.put(_event())
    await producer.start()
    with pytest.raises(EventRefused, match="not a usage event"):
        await producer.put(cast(UsageEvent, "text"))
    with pytest.raises(EventRefused, match="the limit is 65536"):
        await producer.put(_oversized())
    await producer.close(timeout=0)
    assert producer.stats.dropped == {}


async def test_waiting_put_and_flush_end_with_close() -> None:
    """Given a full buffer and no broker, when the producer is closed, then waiting calls raise."""
    producer = _producer(max_buffered_events=1)
    await producer.start()
    producer.emit(_event())
    waiting = [asyncio.create_task(producer.put(_event())), asyncio.create_task(producer.flush())]
    await asyncio.sleep(0.05)
    await producer.close(timeout=0)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [ProducerClosed, ProducerClosed]


async def test_close_does_not_wait_for_a_silent_host() -> None:
    """Given a host that accepts the connection and never responds, then `close` returns at its deadline."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        producer = UsageProducer(
            connection=KafkaConnection(bootstrap_servers=f"127.0.0.1:{silent.getsockname()[1]}"),
            settings=ProducerSettings(request_timeout_s=10_000.0),
        )
        await producer.start()
        assert producer.emit(_event())
        await asyncio.sleep(0.2)
        assert await producer.close(timeout=0.1) == 1


async def test_missing_authority_file_is_reported_at_start() -> None:
    producer = UsageProducer(
        connection=KafkaConnection(
            bootstrap_servers="broker:9093", security_protocol="SSL", ssl_cafile="/nonexistent/ca.pem"
        )
    )
    with pytest.raises(OSError, match="No such file"):
        await producer.start()


def test_losses_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Given 1,000 losses in a second, then one line is logged, and after a minute one with the new losses."""
    now = 0.0
    losses = Losses(clock=lambda: now)
    with caplog.at_level(logging.WARNING, logger="spendmeter_events"):
        for _ in range(1000):
            losses.add(DropReason.BUFFER_FULL, why="no broker")
        assert caplog.messages == ["Usage events lost: buffer_full: 1 (no broker)"]
        now = 61.0
        losses.add(DropReason.INVALID)
        assert caplog.messages[1:] == ["Usage events lost: buffer_full: 999, invalid: 1 (no broker)"]
        losses.add(DropReason.CLOSED)
        losses.report(at_once=True)
        assert caplog.messages[2:] == ["Usage events lost: closed: 1"]
        losses.report(at_once=True)
        assert len(caplog.messages) == 3


async def test_outage_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    producer = _producer()
    with caplog.at_level(logging.WARNING, logger="spendmeter_events"):
        await producer.start()
        producer.emit(_event())
        await until(lambda: producer.stats.failed_attempts >= 5)
    lines = [line for name, _, line in caplog.record_tuples if name == "spendmeter_events"]
    assert len(lines) == 1
    assert lines[0].startswith("Cannot send usage events, retrying: KafkaConnectionError")
    await producer.close(timeout=0)
