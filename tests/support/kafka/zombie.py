"""A consumer in a separate process, to be frozen beyond its session timeout and resumed.

`python zombie.py BOOTSTRAP TOPIC GROUP`: prints "assigned" when partition 0 is assigned; at a line on standard
input commits offset 1 there, and prints "committed", or the error's name and its cause's.
"""

from __future__ import annotations

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

GROUP_OPTIONS = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "session_timeout_ms": 3000,
    "heartbeat_interval_ms": 500,
    # Tansu delays the join response for this time.
    "rebalance_timeout_ms": 2000,
}


async def _main(bootstrap: str, topic: str, group: str) -> None:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, **GROUP_OPTIONS)
    await consumer.start()
    partition = TopicPartition(topic, 0)
    for _ in range(600):
        if partition in consumer.assignment():
            break
        await asyncio.sleep(0.05)
    print("assigned", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    try:
        await consumer.commit({partition: 1})
        print("committed", flush=True)
    except KafkaError as error:
        print(type(error).__name__, type(error.__cause__).__name__, flush=True)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
