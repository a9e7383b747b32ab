"""Retry through outages without limit, with capped exponential back-off and jitter. Nothing is committed meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from spendmeter_clickhouse import StoreError
from spendmeter_stream import metrics

log = logging.getLogger(__name__)

T = TypeVar("T")

OUTAGES = (StoreError, KafkaError, OSError)
"""Errors that end on their own or by operator action. They are retried; only bad data is dead-lettered."""

_under_way: dict[int, str] = {}
"""A description of each step that is being retried."""


def steps_under_way() -> list[str]:
    """Return each step that is being retried, with its latest error. Thread-safe."""
    return sorted(set(_under_way.copy().values()))


async def retry_forever(step: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Call `attempt` until it succeeds; `step` is its name in logs and metrics.

    Cancel the task to stop. Exceptions other than `OUTAGES` propagate.
    """

    async def once() -> T:
        # tenacity awaits coroutine functions only, and most attempts are lambdas that return a coroutine.
        return await attempt()

    started = time.monotonic()
    token = id(once)
    try:
        return await AsyncRetrying(
            wait=wait_random_exponential(multiplier=0.2, max=30),
            retry=retry_if_exception_type(OUTAGES),
            before_sleep=lambda state: _report(step, state, token),
            reraise=True,
        )(once)
    finally:
        _under_way.pop(token, None)
        metrics.STEP_SECONDS.labels(step).observe(time.monotonic() - started)


def _report(step: str, state: RetryCallState, token: int) -> None:
    metrics.RETRIES.labels(step).inc()
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0.0
    _under_way[token] = f"step {step} (attempt {state.attempt_number}: {str(error)[:100] or type(error).__name__})"
    log.warning("%s failed (attempt %d), retrying in %.1f s: %s", step, state.attempt_number, wait, error)
