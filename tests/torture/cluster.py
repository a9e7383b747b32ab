"""What a run consists of: a broker, a store over HTTP, workers as child processes, and the producer that feeds them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from spendmeter_clickhouse import Session, Store, StoreSettings, migrate
from spendmeter_events import KafkaConnection
from spendmeter_events.topics import USAGE
from spendmeter_stream.coordinator import wait_for_named_brokers
from spendmeter_stream.doubts import open_doubts
from spendmeter_stream.settings import StreamSettings
from spendmeter_stream.topic_admin import ensure_topics
from tests.support.kafka.process import BrokerProcess, with_path
from tests.torture.ledger import Ledger, Record
from tests.torture.worker_process import ORDERS, Job

PATIENCE_S: Final = 240.0
"""How long any wait may take. A run that is stuck ends with `StuckError`; a slow machine is not a fault."""
_STOP_S: Final = 90.0
_REPOSITORY: Final = Path(__file__).parents[2]
# Short, so that a frozen worker loses its partitions within seconds, and small, so that there are many chunks.
STREAM: Final[dict[str, Any]] = {
    "session_timeout_ms": 4000,
    "rebalance_timeout_ms": 3000,
    "stop_timeout_seconds": 2.0,
    "chunk_records": 60,
    "chunk_interval_ms": 200,
    "chunks_per_second": 3.0,
    "dedup_ids": 20_000,
}


class StuckError(Exception):
    """What must happen some time did not happen within `PATIENCE_S`."""


async def eventually(what: str, condition: Callable[[], bool], *, patience: float = PATIENCE_S) -> None:
    """Return when `condition()` is true.

    :raises StuckError: it never was.
    """
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise StuckError(f"waited in vain until {what}")
        await asyncio.sleep(0.1)


class Worker(BrokerProcess):
    """A worker process, and the orders for it. It may die and be started again any number of times."""

    name = "worker"

    def __init__(self, *, folder: Path, job: Job) -> None:
        folder.mkdir(parents=True)
        self._orders = folder / ORDERS
        self.log = folder / "worker.log"
        module = "tests.torture.worker_process"
        super().__init__(
            command=[sys.executable, "-m", module, str(folder), json.dumps(asdict(job))],
            log=self.log,
            env={"PYTHONPATH": with_path(_REPOSITORY), "TZ": "UTC"},
        )

    def running(self) -> bool:
        """Whether the process lives, be it frozen."""
        return self._child is not None and self._child.poll() is None

    def order(self, point: str, *, hits: int, action: str) -> None:
        """Let it send itself SIG`action` at the `hits`-th arrival at `point`."""
        draft = self._orders.with_suffix(".draft")
        draft.write_text(f"{point} {hits} {action}")
        draft.rename(self._orders)

    def obeyed(self) -> bool:
        """Whether the last order was carried out."""
        return not self._orders.exists()

    def withdraw(self) -> bool:
        """Take the order back. False if it was carried out after all."""
        try:
            self._orders.unlink()
        except FileNotFoundError:
            return False
        return True

    def start_again(self) -> None:
        """Start it if it does not run."""
        if not self.running():
            self.kill()
            self.start()

    def stop(self) -> None:
        """SIGTERM: chunks under way are finished. Killed if that takes for ever."""
        if self._child is None:
            return
        self._child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_STOP_S)
        self.kill()


class Feeder:
    """Produces the ledger's records, each until the broker has acknowledged it."""

    def __init__(self, *, ledger: Ledger, producer: AIOKafkaProducer) -> None:
        self._ledger = ledger
        self._producer = producer
        self.ends: dict[int, int] = defaultdict(int)
        """Partition → the offset behind the last record that was acknowledged."""
        self.sent_again = 0
        """Records whose acknowledgement was lost, and which are in the topic once or twice."""

    async def feed(self, size: int) -> None:
        """Send a batch of `size` new events; returns when the broker has it all."""
        deadline = time.monotonic() + PATIENCE_S
        waiting = self._ledger.batch(size)
        while waiting := await self._send(waiting):
            if time.monotonic() > deadline:
                raise StuckError("the broker takes no records")
            self.sent_again += len(waiting)
            await asyncio.sleep(0.2)

    async def feed_until(self, done: asyncio.Event, *, size: int, pause: float) -> None:
        """Send batch after batch."""
        while not done.is_set():
            await self.feed(size)
            await asyncio.sleep(pause)

    async def _send(self, records: list[Record]) -> list[Record]:
        """Send `records`; returns those that were not acknowledged."""
        results = await asyncio.gather(*map(self._send_one, records), return_exceptions=True)
        failed: list[Record] = []
        for record, result in zip(records, results, strict=True):
            if result is None:
                continue
            if not isinstance(result, KafkaError):
                raise result
            failed.append(record)
        return failed

    async def _send_one(self, record: Record) -> None:
        where = await self._producer.send_and_wait(USAGE, record.value, key=record.key)
        self.ends[where.partition] = max(self.ends[where.partition], where.offset + 1)


class Cluster:
    """The parts of a run. Workers are added by `worker`."""

    def __init__(self, *, folder: Path, dsn: str, connection: KafkaConnection, partitions: int, ledger: Ledger) -> None:
        self.ledger = ledger
        self.partitions = partitions
        self.connection = connection
        self.workers: list[Worker] = []
        self.settings = StreamSettings(bootstrap=connection.bootstrap_servers, usage_partitions=partitions, **STREAM)
        self.store = Store(StoreSettings(store_dsn=dsn, store_timeout_seconds=20))
        self._folder = folder
        self._dsn = dsn
        self.session: Session
        self.feeder: Feeder

    def worker(self, *, without: list[str] | None = None, **changes: Any) -> Worker:
        """A further worker, not yet started; `changes` are fields of `StreamSettings`."""
        stream = {"bootstrap": self.settings.bootstrap, **STREAM, **changes}
        folder = self._folder / f"worker-{len(self.workers)}"
        made = Worker(folder=folder, job=Job(self._dsn, stream, without or []))
        self.workers.append(made)
        return made

    async def stop_workers(self) -> None:
        """Let every worker finish what it has begun."""
        await asyncio.gather(*(asyncio.to_thread(worker.stop) for worker in self.workers))

    async def settled(self) -> None:
        """Return when the group has committed everything that was produced, so that no chunk is open or in doubt.

        :raises StuckError: it never does.
        """
        deadline = time.monotonic() + PATIENCE_S
        committed: dict[int, int] = {}
        while any(committed.get(partition, 0) < end for partition, end in self.feeder.ends.items()):
            if time.monotonic() > deadline:
                raise StuckError(f"committed {committed} of {dict(self.feeder.ends)}")
            await asyncio.sleep(0.3)
            with contextlib.suppress(KafkaError):
                committed = await self._committed()
        # The leader settles those that a killed store may have torn.
        while doubts := await open_doubts(self.session):
            if time.monotonic() > deadline:
                raise StuckError(f"{len(doubts)} chunks stay in doubt")
            await asyncio.sleep(0.3)

    async def _committed(self) -> dict[int, int]:
        # The settings' own timeout: a broker that was frozen or killed leaves connections that never answer.
        options = {**self.settings.client_options(), "request_timeout_ms": 5000}
        consumer = AIOKafkaConsumer(**options, group_id=self.settings.group, enable_auto_commit=False)
        try:
            await consumer.start()
            partitions = [TopicPartition(USAGE, number) for number in range(self.partitions)]
            consumer.assign(partitions)
            return {it.partition: await consumer.committed(it) or 0 for it in partitions}
        finally:
            await consumer.stop()


@asynccontextmanager
async def cluster(
    *, folder: Path, dsn: str, connection: KafkaConnection, partitions: int, ledger: Ledger
) -> AsyncIterator[Cluster]:
    """Topics and tables made, producer connected; workers are killed at the end. Broker and store are the caller's."""
    made = Cluster(folder=folder, dsn=dsn, connection=connection, partitions=partitions, ledger=ledger)
    options = made.settings.client_options()
    wait_for_named_brokers()
    await ensure_topics(options, usage_partitions=partitions)
    producer = AIOKafkaProducer(**{**options, "request_timeout_ms": 5000}, acks="all")
    with made.store:
        await migrate(made.store)
        made.session = made.store.session("oracle")
        await producer.start()
        made.feeder = Feeder(ledger=ledger, producer=producer)
        try:
            yield made
        finally:
            for worker in made.workers:
                worker.kill()
            await producer.stop()
