"""Faults of offsets: the group is moved back, records expire before their replay, an id is in two partitions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiokafka.admin import RecordsToDelete
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from spendmeter_clickhouse import Session
from spendmeter_events.topics import USAGE
from spendmeter_stream.kafka.topic_id import find_topic_id
from tests.support.kafka.topic import admin_client
from tests.torture.cluster import Cluster
from tests.torture.faults.hands import Hands
from tests.torture.patience import PAUSE_S, Progress
from tests.torture.plan import Fault

_CHAIN: Final = ("usage_events", "usage_15m", "usage_hourly", "usage_daily", "user_daily", "latency_daily")
_WINDOW: Final = 10_000
_HIGH_WATERMARK: Final = -1
_NEWEST: Final = """
    SELECT DISTINCT topic_partition, start_offset
    FROM ingest_chunks
    WHERE topic_id = {topic_id:String}
    ORDER BY topic_partition, start_offset DESC
    LIMIT 2 BY topic_partition"""


async def group_moved_back(hands: Hands, fault: Fault) -> str:
    """Move the group back to the topic's beginning or a recent chunk, after the store has dropped every token, as it
    does for a quiet partition after enough blocks of others.

    Every second time, the workers are killed with half-stored chunks.
    """
    if fault.hits == 1:
        async with hands.landing_by_halves(fault.rollup):
            hands.kill_workers()
    else:
        await hands.cluster.stop_workers()
    async with hands.cluster.feeder.quiet, tokens_forgotten(hands.cluster.session):
        await move_group(hands.cluster, await _targets(hands, random.Random(fault.dice)))
        hands.start_workers()
        await hands.cluster.settled()
    return f"group moved back, workers {'killed' if fault.hits == 1 else 'stopped'}"


@asynccontextmanager
async def tokens_forgotten(session: Session) -> AsyncIterator[None]:
    """Drop every token, and keep only the newest one for the duration of the context.

    Exit it with no chunk open, because the store must have the tokens of blocks inserted since.
    """
    for window in (0, 1):
        await _set_window(session, window)
    yield
    await _set_window(session, _WINDOW)


async def _set_window(session: Session, blocks: int) -> None:
    for table in _CHAIN:
        await session.command(f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = {blocks}")


async def _targets(hands: Hands, dice: random.Random) -> dict[TopicPartition, int]:
    topic_id = await find_topic_id(hands.cluster.settings)
    begun: dict[int, list[int]] = {}
    for partition, start in (await hands.cluster.session.query(_NEWEST, {"topic_id": topic_id})).result_rows:
        begun.setdefault(partition, [0]).append(start)
    return {TopicPartition(USAGE, partition): dice.choice(starts) for partition, starts in begun.items()}


async def move_group(cluster: Cluster, targets: Mapping[TopicPartition, int]) -> None:
    """Move offsets as `kafka-consumer-groups --reset-offsets` does. Rejected while the group has members."""
    watch = Progress("the group is empty, and is moved back")
    while True:
        with suppress(KafkaError):
            async with cluster.member_of_nothing() as consumer:
                await consumer.commit(dict(targets))
                return
        watch.see(None)
        await asyncio.sleep(PAUSE_S)


async def records_expired(hands: Hands, fault: Fault) -> str:
    """Delete the records of a half-stored chunk before its replay; clients resend them."""
    cluster, feeder = hands.cluster, hands.cluster.feeder
    async with hands.landing_by_halves(fault.rollup):
        await feeder.quiet.acquire()
        hands.kill_workers()
    try:
        await expire_records(cluster)
        # An empty partition needs no wait.
        feeder.new_life()
        hands.start_workers()
        await feeder.send_again()
    finally:
        feeder.quiet.release()
    return "records expired before a replay"


async def expire_records(cluster: Cluster) -> None:
    """Delete all records of the topic."""
    async with admin_client(cluster.connection) as admin:
        every = [TopicPartition(USAGE, number) for number in cluster.feeder.ends]
        await admin.delete_records(dict.fromkeys(every, RecordsToDelete(_HIGH_WATERMARK)))


async def foreign_partitioner(hands: Hands, fault: Fault) -> str:
    """Resend the same events as a client in another language does, to the partitions of another hash."""
    for _ in range(fault.hits):
        await hands.cluster.feeder.feed_twice(30, width=hands.cluster.partitions)
    return "foreign partitioner"
