"""The states of budgets, built from the records of their topic. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pydantic import ValidationError

from spendmeter_events.gate.status import HEARTBEAT_KEY, BudgetStatus, GuardHeartbeat


class StateTable:
    """The newest state of each key."""

    def __init__(self) -> None:
        self._found: dict[bytes, BudgetStatus] = {}
        self._since: datetime | None = None
        self.at: datetime | None = None
        """Time of the newest evaluation; None before its heartbeat."""

    def apply(self, key: bytes | None, value: bytes | None) -> bool:
        """Apply a record, ignoring an invalid one. Return whether it is a heartbeat: the states are complete."""
        if key is None:
            return False
        try:
            if key == HEARTBEAT_KEY:
                beat = GuardHeartbeat.model_validate_json(value or b"")
                self.at, self._since = beat.at, beat.since
                return True
            if value is None:
                self._found.pop(key, None)
            else:
                self._found[key] = BudgetStatus.model_validate_json(value)
        except ValidationError:
            # A later version of the contract, or a foreign record: it must not affect the other budgets.
            return False
        return False

    def statuses(self) -> Iterator[BudgetStatus]:
        """Yield the current states. Those of budgets that were deleted while no guard ran are obsolete."""
        for status in self._found.values():
            if self._since is None or status.at >= self._since:
                yield status
