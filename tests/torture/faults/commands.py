"""Commands that are killed while the workers insert: a repricing, and a rebuild of rollups."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from dataclasses import asdict, replace
from typing import Final

from spendmeter_stream.barrier.requests import ROLLUPS
from tests.support.kafka.process import BrokerProcess, with_path
from tests.torture.command_process import REPOSITORY, CommandJob
from tests.torture.faults.hands import Hands
from tests.torture.patience import PAUSE_S, Progress
from tests.torture.plan import Fault

_REPRICE_POINTS: Final = ("begun:0", "inserted:0", "ended:0", "begun:1")
REBUILD_STATEMENTS: Final = {
    "filling a shadow table": "INSERT INTO .*_rebuild_",
    "requesting the barrier": "INSERT INTO ingest_barriers",
    "replacing a month": "REPLACE PARTITION",
}
"""Statements of a rebuild and their number of occurrences to choose from; a barrier is requested once."""
_MONTHS: Final = ("2025-10-01", "2025-11-01")


class Command(BrokerProcess):
    """A `spendmeter` command in a separate process."""

    name = "command"

    def __init__(self, hands: Hands, job: CommandJob) -> None:
        module = "tests.torture.command_process"
        super().__init__(
            command=[sys.executable, "-m", module, json.dumps(asdict(job))],
            log=hands.cluster.folder / "commands.log",
            env={"PYTHONPATH": with_path(REPOSITORY), "TZ": "UTC"},
        )

    async def ended(self) -> int:
        """Wait for the end, and return the exit code."""
        assert self._child is not None
        return await asyncio.to_thread(self._child.wait)


async def reprice_crash(hands: Hands, fault: Fault) -> str:
    """Kill a repricing at one of its points; a second run completes it, and a third restores the old prices, so that
    every call has the ledger's cost again."""
    point = random.Random(fault.dice).choice(_REPRICE_POINTS)
    job = CommandJob(dsn=hands.cluster.dsn, bootstrap=hands.cluster.settings.bootstrap, what="reprice", raised=True)
    dying = Command(hands, replace(job, dies_at=point))
    dying.start()
    killed = await dying.ended() != 0
    await _until_done(hands, job)
    await _until_done(hands, replace(job, raised=False))
    return f"reprice killed at {point.partition(':')[0]}" if killed else "reprice, not reached"


async def rebuild_crash(hands: Hands, fault: Fault) -> str:
    """Kill a rebuild during one of its statements; a second run completes it."""
    dice = random.Random(fault.dice)
    job = CommandJob(dsn=hands.cluster.dsn, bootstrap=hands.cluster.settings.bootstrap, what="rebuild")
    job = replace(job, month=dice.choice(_MONTHS))
    where = dice.choice(list(REBUILD_STATEMENTS))
    match = REBUILD_STATEMENTS[where]
    skip = 0 if where == "requesting the barrier" else dice.randrange(len(ROLLUPS))
    switches = hands.store.faults
    await asyncio.to_thread(lambda: switches.add("delay", match=match, skip=skip, seconds=600))
    dying = Command(hands, job)
    dying.start()
    running = asyncio.create_task(dying.ended())
    while not running.done() and not await asyncio.to_thread(switches.fired):  # noqa: ASYNC110 - a poll of a server
        await asyncio.sleep(PAUSE_S / 3)
    met = not running.done()
    dying.kill()
    running.cancel()
    await asyncio.to_thread(switches.clear)
    await _until_done(hands, job)
    return f"rebuild killed {where}" if met else "rebuild, not reached"


async def _until_done(hands: Hands, job: CommandJob) -> None:
    """Run the command until it exits with 0: the lease of a killed one expires by the store's clock."""
    watch = Progress(f"a second {job.what} ends well", polls=60)
    while True:
        command = Command(hands, job)
        command.start()
        if await command.ended() == 0:
            return
        watch.see(None)
        await asyncio.sleep(1)
