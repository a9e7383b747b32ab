"""The demo's emitter, a process of its own: `python -m spendmeter_deploy.embedded.emit_demo BOOTSTRAP SEED DAYS END`.

It prints how many events it has sent, a number a line, and ends when the broker has acknowledged them all.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from datetime import datetime
from typing import Final

from spendmeter_events import UsageProducer
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.traffic import generate

_REPORT_EVERY: Final = 2000


async def emit(connection: KafkaConnection, *, seed: int, days: float, end: datetime) -> int:
    """Publish the traffic; returns how many events were sent."""
    sent = 0
    async with UsageProducer(connection=connection) as producer:
        print(0, flush=True)  # noqa: T201 - the demo's clock starts here, after this process has loaded
        for key, value in generate(seed=seed, days=days, end=end):
            await producer.put_encoded(key, value)
            sent += 1
            if sent % _REPORT_EVERY == 0:
                print(sent, flush=True)  # noqa: T201 - read by the demo
                await asyncio.sleep(0)
        await producer.flush()
    print(sent, flush=True)  # noqa: T201
    return sent


def main() -> None:
    """Read the four arguments and emit."""
    bootstrap, seed, days, end = sys.argv[1:]
    # Thousands of records wait at any time, none in a cycle: looking for cycles took a fifth of this process's time.
    gc.disable()
    connection = KafkaConnection(bootstrap_servers=bootstrap)
    asyncio.run(emit(connection, seed=int(seed), days=float(days), end=datetime.fromisoformat(end)))


if __name__ == "__main__":
    main()
