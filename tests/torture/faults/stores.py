"""Faults of the store: failed responses, kills, and partial inserts."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Final

from tests.torture.faults.hands import OUTAGE_S, Hands
from tests.torture.plan import Fault

_STATEMENTS: Final = {"cut": 4, "truncate": 4, "error": 10, "refuse": 10, "delay": 6, "stall": 4, "slow": 4}
"""Number of statements that each kind of store fault affects."""
_WAIT_S: Final = 3.0


async def answers(hands: Hands, fault: Fault) -> str:
    """Reject, delay, cut off or fail responses; for inserts, before or after their execution."""
    kind = fault.store_fault
    match = "INSERT INTO" if kind in ("cut", "truncate", "stall", "slow") else ""
    switches = hands.store.faults
    await asyncio.to_thread(lambda: switches.add(kind, match=match, count=_STATEMENTS[kind], seconds=_WAIT_S))
    await asyncio.sleep(2 * OUTAGE_S)
    met = len(await asyncio.to_thread(switches.fired))
    await asyncio.to_thread(switches.clear)
    return f"store {kind}" if met else "store fault, not met"


async def kill(hands: Hands, _: Fault) -> str:
    """Kill the store with kill -9, and restart it on the same folder after an outage."""
    await asyncio.to_thread(hands.store.kill)
    await asyncio.sleep(OUTAGE_S)
    await asyncio.to_thread(hands.store.start)
    return "store kill -9"


async def torn(hands: Hands, fault: Fault) -> str:
    """Let the kernel kill the store at the rename of a part whose token is already written."""
    # It may die during another insert before it has responded.
    with contextlib.suppress(OSError):
        await asyncio.to_thread(hands.store.die_at_rename, random.Random(fault.dice).randint(1, 12))
    await asyncio.to_thread(hands.store.wait_until_dead)
    await asyncio.sleep(OUTAGE_S)
    await asyncio.to_thread(hands.store.start)
    return "store killed at a rename"


async def half_landed(hands: Hands, fault: Fault) -> str:
    """Let one rollup reject rows for a while that raw events and other rollups already have."""
    async with hands.landing_by_halves(fault.rollup):
        await asyncio.sleep(OUTAGE_S)
    return f"half landed, {fault.rollup}"
