"""How the embedded stack ends: by a signal, or because a part ended that it cannot do without."""

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

_LOOK_SECONDS: Final = 0.05
_WITHOUT_BROKER_SECONDS: Final = 3.0
"""The worker's stop without a broker: no chunk can be closed, so there is nothing to be patient for."""
_LOST: Final = "events that it had acknowledged and the worker had not stored are lost"


@contextlib.asynccontextmanager
async def watched(stack: EmbeddedStack, serving: asyncio.Task[None]) -> AsyncIterator[None]:
    """Cancel the block when broker, worker or query service ends by itself.

    :raises StartError: one of them ended; the message says which.
    """
    owner = asyncio.current_task()
    if owner is None:
        raise RuntimeError("a stack is watched by the task that runs it")

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
    """Store what the broker has and the worker has not, as the broker forgets it; then stop the worker."""
    ending = current_ending()
    ending.begin()
    if stack.failure:
        seconds = min(seconds, _WITHOUT_BROKER_SECONDS)
    elif stack.announced and not await _drain(stack, seconds=drain_seconds, patience=seconds / 2):
        ending.leave_undone(
            f"the broker stops before all events were stored: {_LOST}."
            " Raise SPENDMETER_DRAIN_SECONDS if the worker was only slow"
        )
        seconds /= 2
    for left in await stop_worker(stack.worker, seconds=seconds):
        ending.leave_undone(f"left undone: {left}")


async def _drain(stack: EmbeddedStack, *, seconds: float, patience: float) -> bool:
    """Wait until all is stored; False after `seconds`, or when nothing was stored for `patience` seconds."""
    ingest, since_ms = stack.worker.ingest, int(time.time() * 1000)
    started = moved = time.monotonic()
    position = ingest.position()
    while not ingest.caught_up(since_ms=since_ms):
        now = time.monotonic()
        if ingest.position() != position:
            position, moved = ingest.position(), now
            current_ending().progressed()
        if now - started > seconds or now - moved > patience:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return True


async def _first_end(stack: EmbeddedStack, serving: asyncio.Task[None]) -> str:
    broker = asyncio.create_task(stack.broker.died())
    worker = asyncio.create_task(stack.worker.crashed())
    try:
        await asyncio.wait([broker, worker, serving], return_when=asyncio.FIRST_COMPLETED)
        if broker.done():
            code = broker.result()
            how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
            return f"the broker {how}; {_LOST}. See {stack.folder.broker_log}, then start again"
        if worker.done():
            return f"the worker crashed: {worker.result()}. The log has the reason; start again"
        error = None if serving.cancelled() else serving.exception()
        return f"the query service ended by itself: {error or 'no error'}. Start again"
    finally:
        for task in (broker, worker):
            task.cancel()
