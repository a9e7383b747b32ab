"""How soon an emitted event is in the answers: `emit()` to visible in `summary`, at a steady rate.

Run as a process of its own: `python -m benchmarks.freshness SECONDS`. It prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

import aiohttp

from spendmeter_deploy.embedded.stack import EmbeddedStack, embedded_stack
from spendmeter_deploy.settings import StackSettings
from spendmeter_events import UsageEvent, UsageProducer
from spendmeter_events.connection import KafkaConnection

_PER_SECOND = 200


async def measure(seconds: int) -> dict[str, float]:
    """Percentiles, in seconds, over every event emitted while measuring."""
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_stack(StackSettings(data_dir=Path(folder), port=0)) as stack:
            await stack.caught_up(timeout=60)
            emitted: list[float] = []
            seen: list[tuple[float, int]] = []
            await asyncio.gather(_emit(stack, seconds, emitted), _watch(stack, seconds * _PER_SECOND, seen))
    waits = [_seen_at(seen, number) - moment for number, moment in enumerate(emitted, start=1)]
    cuts = quantiles(waits, n=100)
    return {"events": len(waits), "p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


async def _emit(stack: EmbeddedStack, seconds: int, emitted: list[float]) -> None:
    async with UsageProducer(connection=KafkaConnection(bootstrap_servers=stack.broker.bootstrap)) as producer:
        started = time.perf_counter()
        for number in range(seconds * _PER_SECOND):
            await asyncio.sleep(max(0.0, started + number / _PER_SECOND - time.perf_counter()))
            emitted.append(time.perf_counter())
            producer.emit(
                UsageEvent.now(
                    org_id="o", feature="chat", provider="openai", model="gpt-4o", input_tokens=100, output_tokens=10
                )
            )


async def _watch(stack: EmbeddedStack, events: int, seen: list[tuple[float, int]]) -> None:
    """Ask for the summary again and again; note how many events it knew, and when."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {stack.key}"}) as client:
        while not seen or seen[-1][1] < events:
            async with client.get(f"{stack.url}/v1/usage/summary", params={"preset": "all"}) as answer:
                requests = (await answer.json())["totals"]["requests"]
            seen.append((time.perf_counter(), requests))
            await asyncio.sleep(0.05)


def _seen_at(seen: list[tuple[float, int]], number: int) -> float:
    # Partitions overtake each other, so this is when as many were visible: the same on average.
    return next(moment for moment, requests in seen if requests >= number)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int(sys.argv[1])))))
