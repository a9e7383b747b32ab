"""Stopping a worker in time, whatever is away. docs/stopping.md has the contract."""

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
"""Of the time of a stop, how much the chunks under way may take; the rest is for leaving the group and for Faust."""
CLIENT: Final = 0.1
"""How much one Kafka client may take to say goodbye."""


async def stop_worker(worker: Worker, *, seconds: float) -> list[str]:
    """Stop `worker` within `seconds`. Returns what was not finished, one text each; empty after a complete stop."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    # The chunks first: Faust stops its parts one after the other, and one that hangs would take all of the time.
    finished = await in_time(worker.ingest.stop(), deadline - loop.time(), name="stop the ingest")
    finished &= await in_time(worker.app.stop(), deadline - loop.time(), name="stop Faust")
    left = list(worker.ingest.left_open)
    if not finished:
        left.append("the worker's parts did not stop: " + (", ".join(dict.fromkeys(_unfinished())) or "unknown"))
    return left


async def in_time(work: Awaitable[Any], seconds: float, *, name: str) -> bool:
    """Await `work` for `seconds` at most; False if it goes on, True if it ended, by an error as well.

    Unlike `asyncio.wait_for`, return even where `work` swallows its cancellation.
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
    """Steps that are attempted again and again, and services whose `stop()` is under way."""
    yield from steps_under_way()
    for task in asyncio.all_tasks():
        coroutine: Any = task.get_coro()
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None and frame.f_code.co_name == "stop" and "self" in frame.f_locals:
            service = frame.f_locals["self"]
            yield getattr(service, "shortlabel", type(service).__name__)
