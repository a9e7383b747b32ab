"""The embedded stack under kill -9: `spendmeter up`, killed as a whole and started again on its folder.

Its broker keeps records in memory. Acknowledged records that the worker had not stored are lost with it, by
design; here the clients resend their records since the last quiet point. So the ledger has every sum, and records
stored before the kill must be there once, in raw events and in every rollup.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from spendmeter_events import KafkaConnection
from tests.support.kafka.process import BrokerProcess, with_path
from tests.torture.command_process import REPOSITORY
from tests.torture.feeder import send
from tests.torture.ledger import Ledger, Record
from tests.torture.oracle import Books, compare, from_json
from tests.torture.patience import PAUSE_S, Progress
from tests.torture.plan import POINTS, deck
from tests.torture.report import Report
from tests.torture.worker_process import ORDERS, RENAME

_MODULE: Final = "tests.torture.embedded_process"
_BATCH: Final = 60
_KILLS_A_ROUND: Final = 3
_SETTLE_S: Final = 25.0
"""Longer than the leader's interval of reconciliation."""


class Stack(BrokerProcess):
    """`spendmeter up` on a separate folder."""

    name = "embedded"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / "stack.log"
        self._env_of_both = {"PYTHONPATH": with_path(REPOSITORY), "TZ": "UTC", "SPENDMETER_DRAIN_SECONDS": "600"}
        super().__init__(command=[sys.executable, "-m", _MODULE, str(folder)], log=self.log, env=self._env_of_both)

    def running(self) -> bool:
        """Whether the process runs."""
        return self._child is not None and self._child.poll() is None

    async def up(self) -> KafkaConnection:
        """Start the stack, and return the address of its broker once it is ready."""
        self.start()
        note = self.folder / "data" / "running.json"
        watch = Progress("`spendmeter up` says where it is", polls=6000)
        while True:
            self.fail_if_dead()
            found: dict[str, Any] = json.loads(note.read_text() or "{}") if note.exists() else {}
            # A killed stack leaves its address file behind.
            if found.get("pid") == self.pid:
                return KafkaConnection(bootstrap_servers=found["bootstrap"])
            watch.see(None)
            await asyncio.sleep(0.1)

    def order(self, point: str, *, hits: int, action: str) -> None:
        """Make it kill itself at the `hits`-th arrival at `point`."""
        (self.folder / ORDERS).write_text(f"{point} {hits} {action}")

    async def stop(self) -> int:
        """Send SIGTERM, so that it stores its broker's records, and return its exit code."""
        assert self._child is not None
        self._child.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._child.wait)

    async def books(self) -> tuple[int, Books]:
        """Return the number of suspect blocks, and the sums of the store. The stack must not run."""
        command = [sys.executable, "-m", _MODULE, str(self.folder), "--books"]
        child = await asyncio.create_subprocess_exec(
            *command, env={**self._env, **self._env_of_both}, stdout=subprocess.PIPE
        )
        out, _ = await child.communicate()
        assert child.returncode == 0, "the store cannot be read"
        suspects, books = out.decode().strip().splitlines()[-2:]
        return int(suspects), from_json(books)


class Clients:
    """Emitters that resend what the broker of a killed stack has lost."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._unsure: list[Record] = []
        self.sent_again = 0

    async def send_until_dead(self, stack: Stack, connection: KafkaConnection) -> None:
        """Send new events, batch after batch, until the stack dies."""
        async with _producer(connection) as producer:
            while stack.running():
                records = self._ledger.batch(_BATCH)
                self._unsure += records
                await _send(producer, records, stack)
                await asyncio.sleep(PAUSE_S)

    async def send_again(self, stack: Stack, connection: KafkaConnection) -> None:
        """Resend all records that may not be stored."""
        self.sent_again += len(self._unsure)
        async with _producer(connection) as producer:
            await _send(producer, self._unsure, stack)

    def all_stored(self) -> None:
        """Note that all sent records are in the store."""
        self._unsure.clear()


def _producer(connection: KafkaConnection) -> AIOKafkaProducer:
    return AIOKafkaProducer(**{**connection.client_options(), "request_timeout_ms": 5000}, acks="all")


async def _send(producer: AIOKafkaProducer, records: list[Record], stack: Stack) -> None:
    """Send `records` until the broker has all of them or is dead."""
    # On a slow machine, a record may wait in the producer beyond the request time-out, and is then retried.
    watch = Progress("the broker acknowledges records", polls=60)
    waiting = records
    while waiting and stack.running():
        sending = asyncio.create_task(send(producer, waiting))
        while not sending.done():
            await asyncio.wait([sending], timeout=PAUSE_S)
            if not stack.running():
                sending.cancel()
                return
        waiting, _ = sending.result()
        watch.see(len(waiting))


async def torture_embedded(
    *,
    seed: int,
    folder: Path,
    go_on: Callable[[int], bool],
    kills: int = _KILLS_A_ROUND,
    log: Callable[[str], None] = print,
) -> Report:
    """Run rounds of `kills` while `go_on(rounds done)`; stops at the first difference."""
    report = Report()
    ledger = Ledger(seed=seed)
    clients = Clients(ledger)
    stack = Stack(folder)
    orders = _orders(seed)
    rounds = 0
    try:
        while go_on(rounds) and not report.differences:
            for _ in range(kills):
                connection = await stack.up()
                await clients.send_again(stack, connection)
                point, hits, action = next(orders)
                stack.order(point, hits=hits, action=action)
                await clients.send_until_dead(stack, connection)
                stack.kill()
                name = "kill -9 of the embedded stack" + (" at a rename" if action.startswith(RENAME) else f" {point}")
                report.faults[name] += 1
                log(f"{time.strftime('%H:%M:%S')} {name}")
            rounds += 1
            report.differences += compare(await _quiet(stack, clients), ledger)
            log(f"{time.strftime('%H:%M:%S')} quiet point {rounds}: {len(report.differences)} differences")
    finally:
        stack.kill()
    report.counts = {
        "events": ledger.events,
        "client retries": ledger.retries,
        "sent again by the producer": clients.sent_again,
        "quiet points": rounds,
    }
    return report


async def _quiet(stack: Stack, clients: Clients) -> Books:
    """Resend, stop and read the sums, until no suspect block is left."""
    watch = Progress("the stack reconciles suspect blocks", polls=10)
    while True:
        connection = await stack.up()
        await clients.send_again(stack, connection)
        await asyncio.sleep(_SETTLE_S)
        if code := await stack.stop():
            raise AssertionError(f"the stack ended with {code}: {stack.log}")
        suspects, books = await stack.books()
        if not suspects:
            clients.all_stored()
            return books
        watch.see(suspects)


def _orders(seed: int) -> Iterator[tuple[str, int, str]]:
    """Yield the end of each life: point, arrivals, signal."""
    dice = random.Random(seed)
    for point in deck(dice, [*POINTS, *[RENAME] * len(POINTS)]):
        hits = dice.randint(1, 4)
        # A block of three months has three parts in every table.
        yield ("before:insert", hits, f"{RENAME}{dice.randint(1, 18)}") if point == RENAME else (point, hits, "KILL")
