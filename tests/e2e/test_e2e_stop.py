"""Every stop is bounded, logs what it left unfinished, and reports that by its exit code.

The time-outs of these tests are much longer than the stops. That a stop is bounded shows in the line that the process
logs when its time is up.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from spendmeter_clickhouse import Store, StoreSettings, migrate
from spendmeter_events import KafkaConnection
from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.apache import ApacheKafka
from tests.support.kafka.tansu import Tansu
from tests.support.records import record
from tests.support.stack import Command, alive, children, spendmeter, wait_until
from tests.support.worker import publish

_STOP_SECONDS = "3"
_BROKER_LOST = "the broker was killed by signal 9"


@pytest.fixture
def store(fresh_clickhouse_http: ClickHouseHttp) -> Iterator[ClickHouseHttp]:
    with Store(StoreSettings(store_dsn=fresh_clickhouse_http.dsn)) as migrated:
        asyncio.run(migrate(migrated))
    yield fresh_clickhouse_http
    if fresh_clickhouse_http.running():
        fresh_clickhouse_http.faults.clear()


def worker(broker: KafkaConnection, store: ClickHouseHttp, *, stop_seconds: str = _STOP_SECONDS) -> Command:
    """Start a worker process, and wait until it is ready."""
    started = Command(
        "worker",
        SPENDMETER_BOOTSTRAP=str(broker.bootstrap_servers),
        SPENDMETER_STORE_DSN=store.dsn,
        SPENDMETER_WORKER_PORT="0",
        SPENDMETER_TOPIC_ID="stop",
        SPENDMETER_SESSION_TIMEOUT_MS="4000",
        SPENDMETER_REBALANCE_TIMEOUT_MS="2000",
        SPENDMETER_STOP_TIMEOUT_SECONDS=stop_seconds,
    )
    started.wait_for("assigned by group")
    return started


def send(broker: KafkaConnection, events: int = 40) -> None:
    asyncio.run(publish(broker, [record(number) for number in range(1, events + 1)]))


def test_a_worker_whose_store_answers_no_more_leaves_its_chunk_and_ends(
    fresh_tansu: Tansu, store: ClickHouseHttp
) -> None:
    with worker(fresh_tansu.connection, store) as running:
        store.faults.add("delay", match="INSERT INTO usage_events", seconds=600, count=None)
        send(fresh_tansu.connection)
        wait_until(lambda: "delay" in store.faults.fired())
        assert running.stop(signal.SIGTERM) == 1, running.output()
        assert "not finished: partition" in running.output()
        assert "recovery by the next owner" in running.output()


def test_a_worker_whose_store_is_gone_names_the_step_and_ends(fresh_tansu: Tansu, store: ClickHouseHttp) -> None:
    with worker(fresh_tansu.connection, store) as running:
        store.kill()
        send(fresh_tansu.connection)
        wait_until(lambda: "failed (attempt 2)" in running.output())
        assert running.stop(signal.SIGINT) == 1, running.output()
        assert "not finished: partition" in running.output()


def test_a_worker_that_has_finished_all_ends_with_0(fresh_tansu: Tansu, store: ClickHouseHttp) -> None:
    with worker(fresh_tansu.connection, store, stop_seconds="60") as running:
        assert running.stop(signal.SIGTERM) == 0, running.output()
        assert "not finished" not in running.output()


def test_a_worker_that_still_waits_for_kafka_ends_with_0(store: ClickHouseHttp) -> None:
    settings = {"SPENDMETER_BOOTSTRAP": "127.0.0.1:9", "SPENDMETER_STORE_DSN": store.dsn, "SPENDMETER_WORKER_PORT": "0"}
    with Command("worker", **settings) as running:
        running.wait_for("cannot use Kafka at 127.0.0.1:9")
        assert running.stop(signal.SIGTERM) == 0, running.output()
        assert "Traceback" not in running.output()


def test_a_stop_that_arrives_twice_is_one_stop(tmp_path: Path) -> None:
    """`timeout` signals its child and then the group. The signals differ here, because equal ones may merge."""
    with Command("up", "--data-dir", tmp_path / "data", "--port", "0") as stack:
        stack.wait_for("Press Ctrl-C to stop")
        assert stack.stop(signal.SIGTERM, signal.SIGINT) == 0, stack.output()
        assert "second signal" not in stack.output().replace("immediately on a second signal", "")


def test_a_later_second_signal_ends_at_once(fresh_tansu: Tansu, store: ClickHouseHttp) -> None:
    with worker(fresh_tansu.connection, store, stop_seconds="3600") as running:
        store.faults.add("delay", match="INSERT INTO usage_events", seconds=3600, count=None)
        send(fresh_tansu.connection)
        wait_until(lambda: "delay" in store.faults.fired())
        running.process.send_signal(signal.SIGTERM)
        running.wait_for("SIGTERM received")
        # Signals within a second of the first are ignored.
        wait_until(lambda: signalled(running) is not None)
        assert running.process.returncode == 143, running.output()
        assert "second signal received" in running.output()


@pytest.mark.kafka
def test_a_worker_with_a_frozen_kafka_names_the_stuck_part_and_exits(kafka: ApacheKafka, store: ClickHouseHttp) -> None:
    with worker(kafka.connection, store) as running:
        kafka.freeze()
        try:
            assert running.stop(signal.SIGTERM) == 1, running.output()
        finally:
            kafka.thaw()
        assert "not finished: " in running.output()


def test_a_stack_whose_broker_died_logs_it_and_exits(tmp_path: Path) -> None:
    with Command("up", "--data-dir", tmp_path / "data", "--port", "0") as stack:
        stack.wait_for("Press Ctrl-C to stop")
        (broker,) = children(stack.process.pid)
        os.kill(broker, signal.SIGKILL)
        assert stack.stop() == 2, stack.output()
        (line,) = [line for line in stack.output().splitlines() if line.startswith("spendmeter:")]
        assert _BROKER_LOST in line
        assert "had not stored are lost" in line
        assert not (tmp_path / "data" / "running.json").exists()


def test_a_stack_whose_broker_is_frozen_ends_in_time_and_takes_it_along(tmp_path: Path) -> None:
    settings = {"SPENDMETER_STOP_TIMEOUT_SECONDS": _STOP_SECONDS}
    with Command("up", "--data-dir", tmp_path / "data", "--port", "0", **settings) as stack:
        stack.wait_for("Press Ctrl-C to stop")
        (broker,) = children(stack.process.pid)
        os.kill(broker, signal.SIGSTOP)
        assert stack.stop(signal.SIGTERM) == 1, stack.output()
        assert "the broker stops before all events are stored" in stack.output()
        # The stack kills the broker and does not wait for the kernel to remove it.
        wait_until(lambda: not alive(broker))
        assert not (tmp_path / "data" / "running.json").exists()


def test_a_command_that_asks_a_frozen_broker_can_be_stopped(fresh_tansu: Tansu) -> None:
    fresh_tansu.freeze()
    settings = {"SPENDMETER_STOP_TIMEOUT_SECONDS": "1"}
    bootstrap = str(fresh_tansu.connection.bootstrap_servers)
    with Command("dlq", "list", "--bootstrap", bootstrap, **settings) as command:
        wait_until(lambda: "SigCgt" in Path(f"/proc/{command.process.pid}/status").read_text() and catches(command))
        assert command.stop(signal.SIGTERM) in (2, 143), command.output()
    fresh_tansu.thaw()
    assert spendmeter("dlq", "--help").returncode == 0


def signalled(command: Command) -> int | None:
    """Send SIGTERM again, and return the exit code once the process has ended."""
    command.process.send_signal(signal.SIGTERM)
    return command.process.poll()


def catches(command: Command) -> bool:
    """Return whether the process handles SIGTERM."""
    status = Path(f"/proc/{command.process.pid}/status").read_text()
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(caught & (1 << (signal.SIGTERM - 1)))
