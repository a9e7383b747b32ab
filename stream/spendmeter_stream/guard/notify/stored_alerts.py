"""Store sent alerts, for people to list. The topic remains the record of what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from spendmeter_clickhouse import Session
from spendmeter_events.alert import SpendAlert

_COLUMNS: Final = {
    "alert_id": "alert_id",
    "at": "at",
    "since": "since",
    "kind": "kind",
    "severity": "severity",
    "scope": "scope",
    "org_id": "org_id",
    "name": "key",
    "span": "window",
    "spend_usd": "spend_usd",
    "limit_usd": "limit_usd",
    "expected_usd": "expected_usd",
    "summary": "summary",
}
"""Column → field of `SpendAlert`."""


class StoredAlerts:
    """The table of sent alerts. An alert that could not be stored is stored with the next ones."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._unstored: list[SpendAlert] = []

    async def store(self, alerts: Sequence[SpendAlert]) -> None:
        """Store `alerts` and those that failed before. Raises `StoreError`; a retry stores no alert twice."""
        self._unstored += alerts
        if self._unstored:
            await self._session.insert("spend_alerts", list(map(_row, self._unstored)), list(_COLUMNS))
            self._unstored = []

    def forget(self) -> None:
        """Drop the alerts that could not be stored: the next leader reads them from the topic."""
        self._unstored = []


def _row(alert: SpendAlert) -> tuple[Any, ...]:
    return tuple(getattr(alert, field) for field in _COLUMNS.values())
