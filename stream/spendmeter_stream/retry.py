"""Retry through outages without limit, with capped exponential back-off and jitter. Nothing is committed meanwhile."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final, TypeVar

from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from spendmeter_clickhouse import StoreError, StoreLoginError, StoreUnreachableError
from spendmeter_stream import metrics

log = logging.getLogger(__name__)

T = TypeVar("T")

OUTAGES = (StoreError, KafkaError, OSError)
"""Errors that end on their own or by operator action. They are retried; only bad data is dead-lettered."""

REFUSALS: Final = 5
"""Identical refusals of a step that no waiting ends, after which an operator must act."""
_TEMPORARY: Final = re.compile(
    "MEMORY_LIMIT|TOO_MANY|TIMEOUT|TOO_SLOW|NOT_ENOUGH_SPACE|READ_?ONLY|KEEPER|ABORTED|CANCELLED|another owner"
)
"""Refusals that end on their own, and have alerts of their own."""
on_refused: ContextVar[Callable[[str], None] | None] = ContextVar("on_refused", default=None)
"""Called with a description when the store has refused a step of the current task `REFUSALS` times."""

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
    refusals = _Refusals(step)
    try:
        return await AsyncRetrying(
            wait=wait_random_exponential(multiplier=0.2, max=30),
            retry=retry_if_exception_type(OUTAGES),
            before_sleep=lambda state: refusals.count(_report(step, state, token)),
            reraise=True,
        )(once)
    finally:
        _under_way.pop(token, None)
        metrics.STEP_SECONDS.labels(step).observe(time.monotonic() - started)


class _Refusals:
    """Count consecutive identical refusals of one step by the store."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._reason = ""
        self._times = 0

    def count(self, error: BaseException | None) -> None:
        """Count `error`; report the step when it has been refused `REFUSALS` times."""
        reason = _refusal(error)
        self._times = self._times + 1 if reason == self._reason else 1
        self._reason = reason
        report = on_refused.get()
        if reason and self._times == REFUSALS and report is not None:
            report(
                f"the store refused step {self._step} {REFUSALS} times and is retried: {error}."
                " Nothing is lost; correct the schema or the store (docs/runbooks/partition-stopped.md)"
            )


def _refusal(error: BaseException | None) -> str:
    """Return what the store refuses, without numbers; empty for an outage and for a temporary refusal."""
    if not isinstance(error, StoreError) or isinstance(error, (StoreUnreachableError, StoreLoginError)):
        return ""
    return "" if _TEMPORARY.search(str(error)) else re.sub(r"\d+", "#", str(error))


def _report(step: str, state: RetryCallState, token: int) -> BaseException | None:
    metrics.RETRIES.labels(step).inc()
    error = state.outcome.exception() if state.outcome else None
    wait = state.next_action.sleep if state.next_action else 0.0
    _under_way[token] = f"step {step} (attempt {state.attempt_number}: {str(error)[:100] or type(error).__name__})"
    log.warning("%s failed (attempt %d), retrying in %.1f s: %s", step, state.attempt_number, wait, error)
    return error
