"""Outages are waited out: capped exponential back-off with jitter, for ever, and never a commit meanwhile."""

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
"""What passes by itself or by an operator's hand. Only bad data is dead-lettered; everything else is waited out."""

_under_way: dict[int, str] = {}
"""What each step that failed and is attempted again waits for."""


def steps_under_way() -> list[str]:
    """Every step that is waiting for its next attempt, or is in it, with its newest error. Any thread may ask."""
    return sorted(set(_under_way.copy().values()))


async def retry_forever(step: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Call `attempt` until it returns; `step` names it in logs and metrics.

    Cancelling is the way to stop waiting. Other exceptions than `OUTAGES` pass through.
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
    log.warning("%s failed, attempt %d, next in %.1f s: %s", step, state.attempt_number, wait, error)
