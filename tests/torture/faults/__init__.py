"""The faults: each is injected into the running cluster, and ended before it returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from tests.torture.faults import brokers, commands, offsets, stores, workers
from tests.torture.faults.hands import Hands
from tests.torture.plan import Fault, Kind

_WAYS: Final[Mapping[Kind, Callable[[Hands, Fault], Awaitable[str]]]] = {
    "kill": workers.kill,
    "zombie": workers.zombie,
    "rebalance_storm": workers.rebalance_storm,
    "second_group": workers.second_group,
    "clock_jump": workers.clock_jump,
    "store_fault": stores.answers,
    "store_kill": stores.kill,
    "store_torn": stores.torn,
    "half_landed": stores.half_landed,
    "broker_freeze": brokers.freeze,
    "broker_kill": brokers.kill,
    "topic_reborn": brokers.topic_reborn,
    "widening": brokers.widening,
    "records_expired": offsets.records_expired,
    "group_moved_back": offsets.group_moved_back,
    "foreign_partitioner": offsets.foreign_partitioner,
    "reprice_crash": commands.reprice_crash,
    "rebuild_crash": commands.rebuild_crash,
}


async def inject(hands: Hands, fault: Fault) -> str:
    """Inject and end `fault`; return the name under which it is counted, such as `kill before:fence`."""
    return await _WAYS[fault.kind](hands, fault)
