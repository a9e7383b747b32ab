"""The contract of `spendmeter.budgets.v1`: the state of each budget, and the heartbeat of the spend guard."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from spendmeter_events.alert import Usd
from spendmeter_events.event import Moment

HEARTBEAT_KEY: Final = b"guard"


class BudgetStatus(BaseModel):
    """State of a budget in its current month; of a default, that of one user. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: Literal[1] = 1
    budget_id: UUID
    scope: Annotated[str, Field(min_length=1, max_length=32)]
    conditions: dict[str, str]
    """Dimension (`tag:KEY` of a tag) → value of the calls that the budget limits; all must match."""
    spent_usd: Usd
    """Spend of the month to date, without calls on an org's own keys."""
    limit_usd: Annotated[Usd, Field(gt=0)]
    over: bool
    """Whether spent_usd has reached limit_usd."""
    month_start: Moment
    month_end: Moment
    """End of the month, exclusive: the state does not apply to later calls."""
    at: Moment
    """Time of the evaluation that published this record."""

    @property
    def record_key(self) -> bytes:
        """The record's key: one per budget, and per user of a default."""
        return f"{self.budget_id}/{self.conditions.get('user', '')}".encode()

    def to_json(self) -> bytes:
        """Return the record's value."""
        return self.model_dump_json().encode()


class GuardHeartbeat(BaseModel):
    """The guard's last evaluation, with the key `guard`. All states of the evaluation precede it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: Literal[1] = 1
    at: Moment
    """Time of the evaluation: states are complete as of it."""
    since: Moment
    """States published before this time are obsolete: this guard has published every current state since."""

    def to_json(self) -> bytes:
        """Return the record's value."""
        return self.model_dump_json().encode()


def over(spent: Decimal, limit: Decimal) -> bool:
    """Return whether a budget is used up."""
    return spent >= limit
