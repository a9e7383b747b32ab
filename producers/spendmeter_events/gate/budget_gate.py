"""`BudgetGate`: decide from memory whether a call is within its budgets."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self
from weakref import WeakSet

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from spendmeter_events import topics
from spendmeter_events._fork import reset_after_fork
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.errors import InvalidSettings
from spendmeter_events.event import UsageEvent
from spendmeter_events.gate.budget_index import BudgetIndex, call_of
from spendmeter_events.gate.state_table import StateTable
from spendmeter_events.gate.status import BudgetStatus

logger: Final = logging.getLogger("spendmeter_events")

_POLL_MS: Final = 500
_RETRY_S: Final = 2.0
_LOG_INTERVAL_S: Final = 60.0
_GRACE_S: Final = 10.0
"""Time without a current state, after connecting, before a warning: a worker may be starting."""
_ADVICE: Final = "check that the topic exists, that this client may read it, and that a worker runs the spend guard"
_CLOSE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class GateDecision:
    """Whether a call may be made. `budget` is the used-up budget that refuses it."""

    allowed: bool
    reason: Literal["within_budget", "over_budget", "stale"]
    budget: BudgetStatus | None = None


_WITHIN: Final = GateDecision(True, "within_budget")


class BudgetGate:
    """Answer whether a call is within its budgets, from memory: no request, no lock, no exception.

    A thread reads the topic of budget states. Use one gate per process, from any thread or event loop:
    `gate = BudgetGate(connection=KafkaConnection(bootstrap_servers="host:9092"))`,
    `if gate.allows("acme", "ann", "chat"): …`, and `gate.close()` at the end.
    Raises `InvalidSettings` for an invalid setting.
    """

    def __init__(
        self,
        *,
        connection: KafkaConnection,
        topic: str = topics.BUDGETS,
        max_age_s: float = 60.0,
        when_stale: Literal["open", "closed"] = "open",
    ) -> None:
        """Start reading.

        :param max_age_s: age of the guard's last evaluation from which the state is stale.
        :param when_stale: `open` allows every call while the state is stale or missing; `closed` refuses it.
        """
        if not max_age_s > 0 or when_stale not in ("open", "closed") or not topic:
            raise InvalidSettings("max_age_s must be above 0, when_stale must be open or closed, and topic not empty")
        self._connection, self._topic, self._max_age_s = connection, topic, max_age_s
        self._stale = GateDecision(when_stale == "open", "stale")
        # Replaced as a whole: a reader sees a complete index with the time of its evaluation.
        self._current: tuple[BudgetIndex, float] = (BudgetIndex(), 0.0)
        self._closed = False
        self._reset()
        _open_gates.add(self)
        self._start()

    def allows(
        self,
        org: str,
        user: str | None = None,
        feature: str | None = None,
        *,
        tags: Mapping[str, str] | None = None,
        **dimensions: str | None,
    ) -> bool:
        """Return whether a call may be made. Never blocks and never raises.

        :param dimensions: values of other dimensions that have budgets, for example `model="gpt-4o"`, `role="student"`.
        """
        return self.check(org, user, feature, tags=tags, **dimensions).allowed

    def check(
        self,
        org: str,
        user: str | None = None,
        feature: str | None = None,
        *,
        tags: Mapping[str, str] | None = None,
        **dimensions: str | None,
    ) -> GateDecision:
        """Return the decision with its reason. Never blocks and never raises."""
        try:
            if self._thread is None and not self._closed:
                self._start()
            now = time.time()
            index, at = self._current
            if now - at > self._max_age_s or self._closed:
                return self._stale
            status = index.refusing(call_of(org, user, feature, dimensions, tags), now=now)
            return _WITHIN if status is None else GateDecision(False, "over_budget", status)
        except Exception as error:
            logger.warning("Budget gate: cannot decide, the call counts as one with a stale state: %r", error)
            return self._stale

    @staticmethod
    def refusal(**fields: Any) -> UsageEvent:
        """Return the event that reports a refused call: `cancelled`, error type `budget`, no usage.

        Raises `pydantic.ValidationError` as `UsageEvent` does.
        """
        return UsageEvent.now(**{"status": "cancelled", "error_type": "budget", **fields})

    def wait_ready(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for a current state. Return whether there is one."""
        return self._ready.wait(timeout)

    @property
    def age_s(self) -> float:
        """Seconds since the guard's last evaluation; infinite before the first."""
        at = self._current[1]
        return time.time() - at if at else float("inf")

    def close(self) -> None:
        """Stop reading. From then on, decisions are those of a stale state. A second call does nothing."""
        self._closed = True
        _open_gates.discard(self)
        thread, loop, reading = self._thread, self._loop, self._reading
        if thread is None or thread is threading.current_thread():
            return
        if loop is not None and reading is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(reading.cancel)
        thread.join(_CLOSE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def _reset(self) -> None:
        """Reset the thread: at the start, and in a forked child, which has only the thread that forked."""
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reading: asyncio.Task[None] | None = None
        self._next_warning = 0.0
        self._lock, self._ready = threading.Lock(), threading.Event()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="spendmeter-budget-gate", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._read_forever())

    async def _read_forever(self) -> None:
        self._loop, self._reading = asyncio.get_running_loop(), asyncio.current_task()
        while not self._closed:
            try:
                await self._read()
            except Exception as error:
                self._warn(f"cannot read {self._topic}, retrying: {error!r}")
            await asyncio.sleep(_RETRY_S)

    async def _read(self) -> None:
        """Read the topic from its start, and apply each evaluation when its heartbeat arrives."""
        consumer = AIOKafkaConsumer(enable_auto_commit=False, group_id=None, **self._connection.client_options())
        partition, table = TopicPartition(self._topic, 0), StateTable()
        try:
            await consumer.start()
            consumer.assign([partition])
            consumer.seek(partition, 0)
            warn_from = time.monotonic() + _GRACE_S
            while True:
                batches = await consumer.getmany(partition, timeout_ms=_POLL_MS)
                self._apply(table, batches.get(partition, ()))
                if time.monotonic() >= warn_from and self.age_s > self._max_age_s:
                    self._warn(f"no current evaluation on {self._topic}, decisions are stale: {_ADVICE}")
        finally:
            await consumer.stop()

    def _warn(self, message: str) -> None:
        if time.monotonic() >= self._next_warning:
            self._next_warning = time.monotonic() + _LOG_INTERVAL_S
            logger.warning("Budget gate: %s", message)

    def _apply(self, table: StateTable, records: Iterable[ConsumerRecord]) -> None:
        beats = [table.apply(record.key, record.value) for record in records]
        if any(beats) and table.at is not None:
            at = table.at.timestamp()
            # A restarted read passes older heartbeats first: the state in force stays until a newer one.
            if at >= self._current[1]:
                self._current = BudgetIndex.of(table.statuses()), at
            if time.time() - at <= self._max_age_s:
                self._ready.set()


_open_gates: Final[WeakSet[BudgetGate]] = WeakSet()


def _close_all() -> None:
    for gate in list(_open_gates):
        gate.close()


atexit.register(_close_all)
reset_after_fork(_open_gates, BudgetGate._reset)
