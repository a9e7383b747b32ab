"""Faults of offsets: the group is moved back, records are gone before their chunk is replayed, an id has two places."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from aiokafka.admin import RecordsToDelete
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from spendmeter_events.topics import USAGE
from spendmeter_stream.incarnation import find_incarnation
from tests.support.kafka.topic import admin_client
from tests.torture.faults.hands import Hands
from tests.torture.patience import PAUSE_S, Progress
from tests.torture.plan import Fault

_CHAIN: Final = ("usage_events", "usage_15m", "usage_hourly", "usage_daily", "user_daily", "latency_daily")
_WINDOW: Final = 10_000
_HIGH_WATERMARK: Final = -1
_NEWEST: Final = """
    SELECT DISTINCT topic_partition, start_offset
    FROM ingest_chunks
    WHERE incarnation = {incarnation:String}
    ORDER BY topic_partition, start_offset DESC
    LIMIT 2 BY topic_partition"""


async def group_moved_back(hands: Hands, fault: Fault) -> str:
    """The group starts again from the topic's beginning, or where one of its newest chunks began, after the store has
    forgotten every token, as it has of a quiet partition when others have stored enough.

    Every second time the workers are killed, with chunks half landed.
    """
    if fault.hits == 1:
        async with hands.landing_by_halves(fault.rollup):
            hands.kill_workers()
    else:
        await hands.cluster.stop_workers()
    await _forget_tokens(hands)
    await _move_group(hands, await _targets(hands, random.Random(fault.dice)))
    hands.start_workers()
    return f"group moved back, workers {'killed' if fault.hits == 1 else 'stopped'}"


async def _forget_tokens(hands: Hands) -> None:
    for table in _CHAIN:
        for window in (0, _WINDOW):
            await hands.command(f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = {window}")


async def _targets(hands: Hands, dice: random.Random) -> dict[TopicPartition, int]:
    incarnation = await find_incarnation(hands.cluster.settings)
    begun: dict[int, list[int]] = {}
    for partition, start in (await hands.cluster.session.query(_NEWEST, {"incarnation": incarnation})).result_rows:
        begun.setdefault(partition, [0]).append(start)
    return {TopicPartition(USAGE, partition): dice.choice(starts) for partition, starts in begun.items()}


async def _move_group(hands: Hands, targets: Mapping[TopicPartition, int]) -> None:
    """As `kafka-consumer-groups --reset-offsets` does. Refused while the group has members, killed ones among them."""
    watch = Progress("the group is empty, and is moved back")
    while True:
        with suppress(KafkaError):
            async with hands.cluster.member_of_nothing() as consumer:
                await consumer.commit(dict(targets))
                return
        watch.see(None)
        await asyncio.sleep(PAUSE_S)


async def records_expired(hands: Hands, fault: Fault) -> str:
    """Retention takes the records of a chunk that is half landed before anyone replays it; clients send again."""
    cluster, feeder = hands.cluster, hands.cluster.feeder
    async with hands.landing_by_halves(fault.rollup):
        await feeder.quiet.acquire()
        hands.kill_workers()
    try:
        async with admin_client(cluster.connection) as admin:
            gone = {TopicPartition(USAGE, number): RecordsToDelete(_HIGH_WATERMARK) for number in feeder.ends}
            await admin.delete_records(gone)
        # A partition of which nothing is left has nothing to be waited for.
        feeder.new_life()
        hands.start_workers()
        await feeder.send_again()
    finally:
        feeder.quiet.release()
    return "records expired before a replay"


async def foreign_partitioner(hands: Hands, fault: Fault) -> str:
    """A client in another language sends the same events again, to the partitions of another hash."""
    for _ in range(fault.hits):
        await hands.cluster.feeder.feed_twice(30, width=hands.cluster.partitions)
    return "foreign partitioner"
