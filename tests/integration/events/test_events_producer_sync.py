"""`SyncUsageProducer` in separate processes, with threads, forks and exits."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from spendmeter_events import DropReason, KafkaConnection, ProducerSettings, SyncUsageProducer, UsageEvent
from tests.support.kafka.process import free_port
from tests.support.kafka.tansu import Tansu
from tests.support.kafka.topic import create_topic, read_topic

_PRELUDE = """
import json, os, sys, threading, time
from spendmeter_events import KafkaConnection, ProducerSettings, SyncUsageProducer, UsageEvent

def event(number):
    return UsageEvent.now(
        org_id="school-1", feature="chat", provider="openai", model="gpt-4o", input_tokens=number
    )

producer = SyncUsageProducer(
    connection=KafkaConnection(bootstrap_servers=sys.argv[1]),
    settings=ProducerSettings(topic=sys.argv[2], close_timeout_s=5, retry_backoff_s=0.05),
)
"""


def _run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script after the prelude in a separate interpreter. Errors and warnings fail the test."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", _PRELUDE + textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        # Only ends a script that hangs: twenty forks beside busy threads are slow on a busy machine.
        timeout=600,
    )
    assert ended.returncode == 0, ended.stderr
    return ended


async def _numbers(tansu: Tansu, topic: str, count: int) -> list[int]:
    stored = await read_topic(tansu.connection, topic, count=count)
    return sorted(json.loads(record.value or b"")["input_tokens"] for record in stored)


async def test_many_threads_emit_through_one_producer(tansu: Tansu) -> None:
    topic = await create_topic(tansu.connection, partitions=3)
    events = [
        UsageEvent.now(org_id="o", feature="f", provider="p", model="m", input_tokens=number)
        for number in range(1, 2001)
    ]
    with SyncUsageProducer(connection=tansu.connection, settings=ProducerSettings(topic=topic)) as producer:
        threads = [
            threading.Thread(target=lambda part: [producer.emit(one) for one in part], args=(events[at::4],))
            for at in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert producer.flush(timeout=30)
        assert producer.stats.sent == 2000
    assert producer.emit(events[0]) is False
    assert producer.close() == 0
    assert (producer.stats.sent, producer.stats.dropped) == (2000, {DropReason.CLOSED: 1})
    assert await _numbers(tansu, topic, 2000) == list(range(1, 2001))


async def test_events_emitted_just_before_exit_arrive(tansu: Tansu) -> None:
    """Given a script that emits and ends, without `close`, then the exit hook connects and sends."""
    topic = await create_topic(tansu.connection)
    _run("for number in range(1, 101): producer.emit(event(number))", tansu.connection.bootstrap_servers, topic)
    assert await _numbers(tansu, topic, 100) == list(range(1, 101))


async def test_name_look_up_at_exit(tansu: Tansu) -> None:
    """Given a host name instead of an address, when the interpreter exits, then the name is still resolved."""
    topic = await create_topic(tansu.connection)
    _run("producer.emit(event(1))", f"localhost:{tansu.port}", topic)
    assert await _numbers(tansu, topic, 1) == [1]


async def test_forked_workers_send_their_own_events(tansu: Tansu) -> None:
    """Given a producer created before a fork (gunicorn), when parent and children emit, then each event is stored
    once: a child starts a new thread and does not send its parent's buffer."""
    topic = await create_topic(tansu.connection)
    ended = _run(
        """
        assert producer.emit(event(1))
        children = []
        for child in range(3):
            pid = os.fork()
            if pid == 0:
                for number in range(10):
                    assert producer.emit(event(100 * (child + 1) + number))
                stats = producer.stats
                assert stats.accepted == 10, stats
                sys.exit(0)
            children.append(pid)
        codes = [os.waitpid(pid, 0)[1] for pid in children]
        assert producer.emit(event(2))
        print(codes, producer.close(), producer.stats.sent)
        """,
        tansu.connection.bootstrap_servers,
        topic,
    )
    assert ended.stdout.strip() == "[0, 0, 0] 0 2"
    expected = [1, 2, *range(100, 110), *range(200, 210), *range(300, 310)]
    assert await _numbers(tansu, topic, 32) == expected


async def test_fork_while_other_threads_emit(tansu: Tansu) -> None:
    """Given threads that own the producer's locks at any moment, then a forked child never waits for one."""
    topic = await create_topic(tansu.connection)
    _run(
        """
        stop = threading.Event()
        def busy():
            while not stop.is_set():
                producer.emit(event(1))
        threads = [threading.Thread(target=busy) for _ in range(3)]
        for thread in threads: thread.start()
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                os._exit(0 if producer.emit(event(7)) and producer.close(timeout=120) == 0 else 1)
            assert os.waitpid(pid, 0)[1] == 0
        stop.set()
        for thread in threads: thread.join()
        """,
        tansu.connection.bootstrap_servers,
        topic,
    )
    numbers = await _numbers(tansu, topic, 20)
    assert numbers.count(7) == 20


def test_forks_beside_the_very_first_events() -> None:
    """Given threads that create a process's first events, then a child forked meanwhile can create events.

    Without an event created at import, about one process in fifteen had a child that blocked forever.
    """
    script = """
        import signal
        sys.setswitchinterval(1e-6)
        stop = threading.Event()
        def busy():
            while not stop.is_set():
                event(1)
        threads = [threading.Thread(target=busy) for _ in range(8)]
        children = []
        for thread in threads:
            thread.start()
            pid = os.fork()
            if pid == 0:
                signal.alarm(60)
                event(7).to_json()
                os._exit(0)
            children.append(pid)
        ended = [os.waitpid(pid, 0)[1] for pid in children]
        stop.set()
        for thread in threads: thread.join()
        assert not any(ended), ended
        """
    for _ in range(8):
        _run(script, "localhost:1", "unused")


def test_exit_without_broker_is_quick_and_logged() -> None:
    ended = _run(
        """
        import logging
        logging.basicConfig(level=logging.WARNING)
        producer._settings = ProducerSettings(topic=sys.argv[2], close_timeout_s=0.2)
        producer.emit(event(1))
        """,
        f"127.0.0.1:{free_port()}",
        "test-nowhere",
    )
    assert "Usage events lost: unsent: 1" in ended.stderr


def test_flush_gives_up_in_time() -> None:
    producer = SyncUsageProducer(connection=KafkaConnection(bootstrap_servers=f"127.0.0.1:{free_port()}"))
    producer.emit(UsageEvent.now(org_id="o", feature="f", provider="p", model="m"))
    assert producer.flush(timeout=0.1) is False
    assert producer.close(timeout=0) == 1
    assert producer.stats.dropped == {DropReason.UNSENT: 1}


def test_missing_authority_file_is_reported_at_once(tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(OSError, match="No such file"):
        SyncUsageProducer(
            connection=KafkaConnection(
                bootstrap_servers="broker:9093", security_protocol="SSL", ssl_cafile=str(tmp_path / "ca.pem")
            )
        )
    assert threading.active_count() == before


async def test_children_of_a_pool_send_their_events(tansu: Tansu) -> None:
    """Given children of `multiprocessing`, which skip `atexit` hooks, then their last events arrive too."""
    topic = await create_topic(tansu.connection)
    _run(
        """
        import multiprocessing
        child = multiprocessing.get_context("fork").Process(target=lambda: producer.emit(event(1)))
        child.start()
        child.join()
        assert child.exitcode == 0
        """,
        tansu.connection.bootstrap_servers,
        topic,
    )
    assert await _numbers(tansu, topic, 1) == [1]


async def test_a_started_producer_starts_again_in_a_forked_child(tansu: Tansu) -> None:
    topic = await create_topic(tansu.connection)
    _run(
        """
        import asyncio
        from spendmeter_events import UsageProducer

        started = UsageProducer(
            connection=KafkaConnection(bootstrap_servers=sys.argv[1]), settings=ProducerSettings(topic=sys.argv[2])
        )

        async def child():
            assert started.emit(event(2))
            assert await started.close() == 0

        async def parent():
            await started.start()
            assert started.emit(event(1))

        loop = asyncio.new_event_loop()
        loop.run_until_complete(parent())
        pid = os.fork()
        if pid == 0:
            asyncio.events._set_running_loop(None)
            asyncio.run(child())
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert loop.run_until_complete(started.close()) == 0
        loop.close()
        """,
        tansu.connection.bootstrap_servers,
        topic,
    )
    assert await _numbers(tansu, topic, 2) == [1, 2]
