"""The faults themselves: each is done to the running cluster, and undone before it returns."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from spendmeter_clickhouse import StoreError
from spendmeter_events.topics import USAGE
from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.kafka.process import BrokerProcess
from tests.torture.cluster import Cluster, StuckError, Worker, eventually
from tests.torture.plan import Fault, Kind

_PAST_SESSION_S: Final = 8.0
"""Longer than a session and the rebalance after it (`cluster.STREAM`), so that a frozen worker's partitions move on."""
_OUTAGE_S: Final = 3.0
_REACHED_S: Final = 60.0
"""How long a point may stay unreached, before the order is withdrawn: the worker may own no partition just now."""
_JOINS: Final = 3
_STATEMENTS: Final = {"cut": 4, "truncate": 4, "error": 10, "refuse": 10, "delay": 6, "stall": 4, "slow": 4}
"""How many statements each kind of store fault meets."""
_WAIT_S: Final = 3.0


class Faults:
    """Does to one cluster what a plan says."""

    def __init__(self, *, cluster: Cluster, broker: BrokerProcess, store: ClickHouseHttp) -> None:
        self._cluster = cluster
        self._broker = broker
        self._store = store
        self._ways: Mapping[Kind, Callable[[Fault], Awaitable[str]]] = {
            "kill": self._kill,
            "zombie": self._zombie,
            "store_fault": self._store_fault,
            "store_kill": self._store_kill,
            "store_torn": self._store_torn,
            "half_landed": self._half_landed,
            "broker_freeze": self._broker_freeze,
            "broker_kill": self._broker_kill,
            "rebalance_storm": self._rebalance_storm,
        }

    async def inject(self, fault: Fault) -> str:
        """Do `fault`, and undo it; returns what is to be counted, e.g. `kill before:fence`."""
        return await self._ways[fault.kind](fault)

    async def _kill(self, fault: Fault) -> str:
        """kill -9 at a point of the protocol, then a new process in its place."""
        worker = self._cluster.workers[fault.worker]
        if not await _carried_out(worker, fault, "KILL"):
            return "kill, not reached"
        await eventually("a worker died of SIGKILL", lambda: not worker.running())
        worker.start_again()
        return f"kill {fault.point}"

    async def _zombie(self, fault: Fault) -> str:
        """SIGSTOP at a point until others own the partitions, then SIGCONT."""
        worker = self._cluster.workers[fault.worker]
        if not await _carried_out(worker, fault, "STOP"):
            return "zombie, not reached"
        await asyncio.sleep(_PAST_SESSION_S)
        worker.thaw()
        return f"zombie {fault.point}"

    async def _store_fault(self, fault: Fault) -> str:
        """Answers that are refused, late, cut off, or errors; of inserts, where it matters whether they were done."""
        kind = fault.store_fault
        match = "INSERT INTO" if kind in ("cut", "truncate", "stall", "slow") else ""
        count = _STATEMENTS[kind]
        switches = self._store.faults
        await asyncio.to_thread(lambda: switches.add(kind, match=match, count=count, seconds=_WAIT_S))
        await asyncio.sleep(2 * _OUTAGE_S)
        met = len(await asyncio.to_thread(switches.fired))
        await asyncio.to_thread(switches.clear)
        return f"store {kind}" if met else "store fault, not met"

    async def _store_kill(self, _: Fault) -> str:
        """kill -9 of the store, an outage, and the same folder again."""
        await asyncio.to_thread(self._store.kill)
        await asyncio.sleep(_OUTAGE_S)
        await asyncio.to_thread(self._store.start)
        return "store kill -9"

    async def _store_torn(self, _: Fault) -> str:
        """The kernel kills the store at the rename of a part, whose token may be written down already."""
        # It may die of another's insert before it has answered.
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._store.die_at_the_next_rename)
        await asyncio.to_thread(self._store.wait_until_dead)
        await asyncio.sleep(_OUTAGE_S)
        await asyncio.to_thread(self._store.start)
        return "store killed at a rename"

    async def _half_landed(self, fault: Fault) -> str:
        """One rollup refuses rows for a while: raw events and other rollups have them already."""
        await self._command(f"ALTER TABLE {fault.rollup} ADD CONSTRAINT torture CHECK requests = 0")
        await asyncio.sleep(_OUTAGE_S)
        await self._command(f"ALTER TABLE {fault.rollup} DROP CONSTRAINT torture")
        return f"half landed, {fault.rollup}"

    async def _broker_freeze(self, _: Fault) -> str:
        """The broker stands still past every session, with all connections open."""
        self._broker.freeze()
        await asyncio.sleep(_PAST_SESSION_S)
        self._broker.thaw()
        return "broker freeze"

    async def _broker_kill(self, _: Fault) -> str:
        """kill -9 of the broker, then the same folder again."""
        await asyncio.to_thread(self._broker.kill)
        await asyncio.sleep(_OUTAGE_S)
        await asyncio.to_thread(self._broker.start)
        return "broker kill -9"

    async def _rebalance_storm(self, fault: Fault) -> str:
        """Strangers join the group and leave it, and one worker is told to stop and comes back."""
        worker = self._cluster.workers[fault.worker]
        stopped = asyncio.create_task(asyncio.to_thread(worker.stop))
        for _ in range(_JOINS):
            with contextlib.suppress(KafkaError):
                await self._join_and_leave()
        await stopped
        worker.start_again()
        return "rebalance storm"

    async def _join_and_leave(self) -> None:
        settings = self._cluster.settings
        stranger = AIOKafkaConsumer(
            USAGE,
            **settings.client_options(),
            group_id=settings.group,
            enable_auto_commit=False,
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.session_timeout_ms // 4,
            rebalance_timeout_ms=settings.rebalance_timeout_ms,
        )
        try:
            await asyncio.wait_for(stranger.start(), timeout=30)
            # Long enough to be given partitions, which it then does nothing with.
            await asyncio.sleep(1)
        except TimeoutError as error:
            raise StuckError("a stranger could not join the group") from error
        finally:
            await stranger.stop()

    async def _command(self, sql: str) -> None:
        """Run `sql` although an insert may be in its way."""
        for attempt in range(20):
            try:
                return await self._cluster.session.command(sql)
            except StoreError:
                if attempt == 19:
                    raise
                await asyncio.sleep(0.5)
        return None


async def _carried_out(worker: Worker, fault: Fault, action: str) -> bool:
    """Order `action` at the fault's point; False if the worker does not come by."""
    worker.order(fault.point, hits=fault.hits, action=action)
    with contextlib.suppress(StuckError):
        await eventually("the order was carried out", worker.obeyed, patience=_REACHED_S)
    return not worker.withdraw()
