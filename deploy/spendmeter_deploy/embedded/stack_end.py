"""Stop the embedded stack: on a signal, or when one of its parts stops unexpectedly."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from spendmeter_deploy.ending import current_ending
from spendmeter_deploy.errors import StartError
from spendmeter_stream.stopping import stop_worker

if TYPE_CHECKING:
    from spendmeter_deploy.embedded.stack import EmbeddedStack

_POLL_SECONDS: Final = 0.05
_WITHOUT_BROKER_SECONDS: Final = 3.0
"""Time limit of the worker's stop without a broker: no chunk can be completed."""
_LOST: Final = "events that it acknowledged and the worker had not stored are lost"


@contextlib.asynccontextmanager
async def watched(stack: EmbeddedStack, serving: asyncio.Task[None]) -> AsyncIterator[None]:
    """Cancel the block when broker, worker or query service stops unexpectedly.

    :raises StartError: one of them stopped; the message names it.
    """
    owner = asyncio.current_task()
    if owner is None:
        raise RuntimeError("watched() must run in the task that runs the stack")

    async def watch() -> None:
        stack.failure = await _first_end(stack, serving)
        current_ending().begin()
        owner.cancel()

    watching = asyncio.create_task(watch(), name="watch the stack")
    try:
        yield
    except asyncio.CancelledError:
        if stack.failure and owner.uncancel() == 0:
            raise StartError(stack.failure) from None
        raise
    finally:
        watching.cancel()


async def stop_stack(stack: EmbeddedStack, *, drain_seconds: float, seconds: float) -> None:
    """Drain the memory broker, whose backlog would be lost; then stop the worker."""
    ending = current_ending()
    ending.begin()
    if stack.failure:
        seconds = min(seconds, _WITHOUT_BROKER_SECONDS)
    elif stack.announced and not await _drain(stack, seconds=drain_seconds, patience=seconds / 2):
        ending.add_unfinished(
            f"the broker stops before all events are stored: {_LOST}."
            " Raise SPENDMETER_DRAIN_SECONDS if the worker needs more time"
        )
        seconds /= 2
    for left in await stop_worker(stack.worker, seconds=seconds):
        ending.add_unfinished(f"not finished: {left}")


async def _drain(stack: EmbeddedStack, *, seconds: float, patience: float) -> bool:
    """Wait until everything is stored. Return False after `seconds`, or after `patience` seconds without progress."""
    ingest, since_ms = stack.worker.ingest, int(time.time() * 1000)
    started = progressed = time.monotonic()
    position = ingest.position()
    while not ingest.caught_up(since_ms=since_ms):
        now = time.monotonic()
        if ingest.position() != position:
            position, progressed = ingest.position(), now
            current_ending().restart_clock()
        if now - started > seconds or now - progressed > patience:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


async def _first_end(stack: EmbeddedStack, serving: asyncio.Task[None]) -> str:
    broker = asyncio.create_task(stack.broker.died())
    worker = asyncio.create_task(stack.worker.crashed())
    try:
        await asyncio.wait([broker, worker, serving], return_when=asyncio.FIRST_COMPLETED)
        if broker.done():
            code = broker.result()
            how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
            return f"the broker {how}; {_LOST}. See {stack.folder.broker_log}, then restart"
        if worker.done():
            return f"the worker crashed: {worker.result()}. Check the log, then restart"
        error = None if serving.cancelled() else serving.exception()
        return f"the query service stopped unexpectedly: {error or 'no error'}. Check the log, then restart"
    finally:
        for task in (broker, worker):
            task.cancel()
