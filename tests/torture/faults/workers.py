"""Faults of workers: killed, frozen, replaced, of another group, with a clock that jumps."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from spendmeter_events.topics import USAGE
from tests.torture.faults.hands import PAST_SESSION_S, Hands
from tests.torture.patience import PAUSE_S, Progress, StuckError, eventually
from tests.torture.plan import Fault
from tests.torture.workers import faketime_library

_JOINS: Final = 3
_JUMPS: Final = (2 * 3600, -10 * 60)
"""Seconds: beyond the limit on future events, and back before the events just stored."""


async def kill(hands: Hands, fault: Fault) -> str:
    """Kill a worker with kill -9 at a point of the protocol, and start a new process."""
    worker = hands.worker(fault)
    if not await hands.carried_out(worker, fault, "KILL"):
        return "kill, not reached"
    await eventually("a worker died of SIGKILL", lambda: not worker.running())
    worker.start_again()
    return f"kill {fault.point}"


async def zombie(hands: Hands, fault: Fault) -> str:
    """Send SIGSTOP at a point, and SIGCONT when others own the partitions."""
    worker = hands.worker(fault)
    if not await hands.carried_out(worker, fault, "STOP"):
        return "zombie, not reached"
    await asyncio.sleep(PAST_SESSION_S)
    worker.thaw()
    return f"zombie {fault.point}"


async def rebalance_storm(hands: Hands, fault: Fault) -> str:
    """Let other consumers join and leave the group, and restart one worker."""
    worker = hands.worker(fault)
    stopped = asyncio.create_task(asyncio.to_thread(worker.stop))
    for _ in range(_JOINS):
        with contextlib.suppress(KafkaError):
            await _join_and_leave(hands)
    await stopped
    worker.start_again()
    return "rebalance storm"


async def _join_and_leave(hands: Hands) -> None:
    settings = hands.cluster.settings
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
        await asyncio.wait_for(stranger.start(), timeout=300)
        # Long enough to be assigned partitions, which it does not read.
        await asyncio.sleep(1)
    except TimeoutError as error:
        raise StuckError("a stranger could not join the group") from error
    finally:
        await stranger.stop()


async def second_group(hands: Hands, fault: Fault) -> str:
    """Start a worker of another group on the same topic and store: it must be rejected, and exit."""
    # Each has a separate folder, because the fault may occur several times in a run.
    stranger = hands.cluster.stranger(f"stranger-{fault.dice}", group="another-group")
    await asyncio.to_thread(stranger.start)
    watch = Progress("a worker of a second group ends, or stores chunks")
    try:
        while stranger.running():
            watch.see(await hands.count("ingest_chunks"))
            if "recovering the open chunk" in stranger.log.read_text() or await _stores(hands):
                hands.complaints.append("a worker of a second group was not refused")
                break
            await asyncio.sleep(PAUSE_S)
    finally:
        stranger.kill()
    return "second group"


async def _stores(hands: Hands) -> bool:
    """Return whether the second group has committed an offset."""
    async with hands.cluster.member_of_nothing("another-group") as consumer:
        return any([await consumer.committed(where) is not None for where in consumer.assignment()])


async def clock_jump(hands: Hands, fault: Fault) -> str:
    """Make a worker's clock jump while it stores future events; it dies, and the next worker has another clock.

    Whether such an event is counted depends on the clock. But raw events and rollups must agree, and it counts once,
    whichever worker replays it.
    """
    worker = hands.worker(fault)
    first, second = random.Random(fault.dice).sample([0, *_JUMPS], 2)
    worker.set_clock(first)
    # The other workers have the machine's clock.
    await hands.cluster.feeder.feed_ahead(20)
    reached = await hands.carried_out(worker, replace(fault, point="after:insert", hits=1), "KILL")
    worker.set_clock(second)
    await hands.cluster.feeder.feed_ahead(20)
    if reached:
        await eventually("a worker died of SIGKILL", lambda: not worker.running())
    worker.start_again()
    await asyncio.sleep(PAST_SESSION_S)
    worker.set_clock(0)
    return f"clock jump {first:+d} s, {second:+d} s" if faketime_library() else "clock jump, no libfaketime"
