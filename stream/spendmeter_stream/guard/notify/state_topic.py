"""The topic of budget states, from which `BudgetGate` decides. Written by the leader after each evaluation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from spendmeter_events.gate.status import HEARTBEAT_KEY, BudgetStatus, GuardHeartbeat
from spendmeter_events.topics import BUDGETS

_SHOWN_SHARE: Final = Decimal("0.5")
_MOST_USERS: Final = 10_000
"""Users of defaults with a state: the most used, from half of the limit on. The gate allows users without a state."""


class BudgetStateTopic:
    """Publish states that changed, and a heartbeat. The first call publishes all, because others may be obsolete."""

    def __init__(self, *, client_options: dict[str, Any]) -> None:
        self._options = client_options
        self._producer: AIOKafkaProducer | None = None
        self._published: dict[bytes, tuple[Any, ...]] = {}
        self._since: datetime | None = None

    async def publish(self, statuses: Iterable[BudgetStatus], *, at: datetime, defaults: Sequence[Any]) -> None:
        """Publish the states at `at` and await every acknowledgement. Raises `KafkaError`; a retry is harmless.

        :param defaults: ids of budgets that limit each user.
        """
        if self._producer is None:
            producer = AIOKafkaProducer(**self._options, acks="all", linger_ms=5)
            await producer.start()
            self._producer = producer
        states = {status.record_key: status for status in worth_publishing(statuses, set(defaults))}
        contents = {key: _content(status) for key, status in states.items()}
        changed = [states[key] for key, content in contents.items() if self._published.get(key) != content]
        gone = self._published.keys() - states.keys()
        since = self._since or at
        records: list[tuple[bytes, bytes | None]] = [(status.record_key, status.to_json()) for status in changed]
        records += [(key, None) for key in gone]
        await self._send(self._producer, records)
        # The states first: after a heartbeat, a reader takes them for complete.
        await self._send(self._producer, [(HEARTBEAT_KEY, GuardHeartbeat(at=at, since=since).to_json())])
        self._published, self._since = contents, since

    def forget(self) -> None:
        """Publish all states the next time: another worker was the leader in between."""
        self._published, self._since = {}, None

    async def close(self) -> None:
        """Close the producer."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    @staticmethod
    async def _send(producer: AIOKafkaProducer, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        sent = [await producer.send(BUDGETS, value, key=key, partition=0) for key, value in records]
        await asyncio.gather(*sent)


def worth_publishing(statuses: Iterable[BudgetStatus], defaults: set[Any]) -> list[BudgetStatus]:
    """Return the states of budgets, and those of the most used users of defaults."""
    plain, users = [], []
    for status in statuses:
        if status.budget_id not in defaults:
            plain.append(status)
        elif status.spent_usd >= _SHOWN_SHARE * status.limit_usd:
            users.append(status)
    users.sort(key=lambda status: status.spent_usd / status.limit_usd, reverse=True)
    return plain + users[:_MOST_USERS]


def _content(status: BudgetStatus) -> tuple[Any, ...]:
    return status.spent_usd, status.limit_usd, status.over, status.month_start, status.conditions
