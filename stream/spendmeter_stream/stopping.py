"""Stop a worker within a time limit, even if Kafka or the store is unreachable. Contract: docs/stopping.md."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any, Final

from spendmeter_stream.retry import steps_under_way

if TYPE_CHECKING:
    from spendmeter_stream.worker import Worker

log = logging.getLogger(__name__)

CHUNKS: Final = 0.6
"""Share of the stop timeout for chunks in progress. The rest is for leaving the group and stopping Faust."""
CLIENT: Final = 0.1
"""Share of the stop timeout for closing one Kafka client."""


async def stop_worker(worker: Worker, *, seconds: float) -> list[str]:
    """Stop `worker` within `seconds`. Return one line for each unfinished part; empty after a clean stop."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    # Stop chunks first: Faust stops its services sequentially, and one that hangs would use up the timeout.
    finished = await in_time(worker.ingest.stop(), deadline - loop.time(), name="stop the ingest")
    finished &= await in_time(worker.app.stop(), deadline - loop.time(), name="stop Faust")
    left = list(worker.ingest.left_open)
    if not finished:
        left.append("services did not stop in time: " + (", ".join(dict.fromkeys(_unfinished())) or "unknown"))
    return left


async def in_time(work: Awaitable[Any], seconds: float, *, name: str) -> bool:
    """Await `work` for at most `seconds`. Return whether it ended, with or without an error.

    Unlike `asyncio.wait_for`, return even if `work` swallows its cancellation.
    """
    task = asyncio.ensure_future(work)
    if isinstance(task, asyncio.Task):
        task.set_name(name)
    done, _ = await asyncio.wait([task], timeout=max(0.05, seconds))
    if not done:
        task.cancel()
        return False
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("%s: %s: %s", name, type(error).__name__, error)
    return True


def _unfinished() -> Iterable[str]:
    """Yield steps that are being retried, and services whose `stop()` is running."""
    yield from steps_under_way()
    for task in asyncio.all_tasks():
        coroutine: Any = task.get_coro()
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None and frame.f_code.co_name == "stop" and "self" in frame.f_locals:
            service = frame.f_locals["self"]
            yield getattr(service, "shortlabel", type(service).__name__)
