"""The demo's emitter process: `python -m spendmeter_deploy.embedded.emit_demo BOOTSTRAP SEED DAYS END`.

Print the number of events sent, one number per line; exit when the broker has acknowledged all of them.
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
    """Publish the traffic; return the number of events."""
    sent = 0
    async with UsageProducer(connection=connection) as producer:
        print(0, flush=True)  # noqa: T201 - the demo's clock starts now, not at the fork
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
    """Parse the arguments and emit."""
    bootstrap, seed, days, end = sys.argv[1:]
    # Thousands of buffered records, none in a reference cycle: garbage collection took 20 % of the run time.
    gc.disable()
    connection = KafkaConnection(bootstrap_servers=bootstrap)
    asyncio.run(emit(connection, seed=int(seed), days=float(days), end=datetime.fromisoformat(end)))


if __name__ == "__main__":
    main()
