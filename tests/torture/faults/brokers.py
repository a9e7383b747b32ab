"""Faults of the broker and the topic: frozen, killed, recreated, expanded."""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka.admin import NewPartitions
from aiokafka.errors import UnknownTopicOrPartitionError

from spendmeter_events.topics import USAGE
from spendmeter_stream.kafka.topic_identity import read_topic_id
from tests.support.kafka.tansu import Tansu
from tests.support.kafka.topic import admin_client
from tests.torture.faults.hands import OUTAGE_S, PAST_SESSION_S, Hands
from tests.torture.patience import PAUSE_S, Progress
from tests.torture.plan import Fault

_WIDER_BY: Final = 2


async def freeze(hands: Hands, _: Fault) -> str:
    """Freeze the broker beyond every session timeout, with all connections open."""
    hands.broker.freeze()
    await asyncio.sleep(PAST_SESSION_S)
    hands.broker.thaw()
    return "broker freeze"


async def kill(hands: Hands, _: Fault) -> str:
    """Kill the broker with kill -9, and restart it on the same folder."""
    await asyncio.to_thread(hands.broker.kill)
    await asyncio.sleep(OUTAGE_S)
    await asyncio.to_thread(hands.broker.start)
    return "broker kill -9"


async def topic_reborn(hands: Hands, fault: Fault) -> str:
    """Recreate the topic while a chunk of the old one is half stored; clients resend the lost records.

    Every second time, the workers are killed too, so that no worker has the chunks in memory.
    """
    cluster, feeder = hands.cluster, hands.cluster.feeder
    async with hands.landing_by_halves(fault.rollup):
        # A batch in flight does not need the rollup; the workers do.
        await feeder.quiet.acquire()
        if fault.hits == 1:
            hands.kill_workers()
    try:
        if isinstance(hands.broker, Tansu):
            await asyncio.to_thread(hands.broker.kill)
            await asyncio.to_thread(hands.broker.start)
            feeder.letters_lost()
        else:
            await _delete_topic(hands)
        await cluster.make_topics()
        await feeder.refresh()
        feeder.new_life()
        hands.start_workers()
        await feeder.send_again()
    finally:
        feeder.quiet.release()
    return f"topic made again, workers {'killed' if fault.hits == 1 else 'live on'}"


async def _delete_topic(hands: Hands) -> None:
    async with admin_client(hands.cluster.connection) as admin:
        await admin.delete_topics([USAGE])
    watch = Progress("the broker deletes the topic")
    while True:
        try:
            watch.see(await read_topic_id(hands.cluster.connection, USAGE))
        except UnknownTopicOrPartitionError:
            return
        await asyncio.sleep(PAUSE_S)


async def widening(hands: Hands, _: Fault) -> str:
    """Add partitions under traffic, then restart one worker after another, as in a rolling update."""
    cluster = hands.cluster
    async with admin_client(cluster.connection) as admin:
        cluster.partitions += _WIDER_BY
        await admin.create_partitions({USAGE: NewPartitions(cluster.partitions)})
    await cluster.feeder.refresh()
    for worker in cluster.workers:
        await asyncio.to_thread(worker.stop)
        worker.start_again()
    return "topic widened"
