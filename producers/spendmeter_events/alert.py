"""The alert contract: one `SpendAlert` a record of `spendmeter.alerts.v1`. docs/alerts.md explains each field."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from spendmeter_events.event import Identifier, Moment, OptionalIdentifier

AlertKind = Literal["spike", "burn", "budget"]
AlertScope = Literal["org", "user", "feature"]
AlertSeverity = Literal["warning", "critical"]
# Fixed point: 1E-7 is a number to JSON and a riddle to people.
Usd = Annotated[Decimal, Field(ge=0), PlainSerializer(lambda amount: f"{amount:f}", when_used="json")]


class BudgetLine(BaseModel):
    """The budget that an alert is about."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    budget_id: UUID
    amount: Usd
    """Of a calendar month, in `currency`."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    usd: Usd
    """The same at the rate in force."""
    used_ratio: Annotated[float, Field(ge=0)]
    """Spend of the month to date ÷ amount."""


class SpendAlert(BaseModel):
    """Something about somebody's spend that a person should know now. Unknown fields are ignored: more may come."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: Literal[1] = 1
    alert_id: UUID
    """Of this record; a webhook's retry carries the same."""
    fingerprint: str
    """Of the alert: the same in each of its repeats, and the record's key."""
    kind: AlertKind
    severity: AlertSeverity
    scope: AlertScope
    org_id: OptionalIdentifier
    """Empty for a feature's spend over all orgs."""
    key: Identifier
    """The org, user or feature."""
    at: Moment
    """When the guard looked."""
    since: Moment
    """When it first saw this."""
    window: Literal["15m", "1h", "6h", "month_to_date"]
    spend_usd: Usd
    """Spent in `window`."""
    limit_usd: Usd
    """As much would have been too much in `window`."""
    expected_usd: Usd | None = None
    """The usual spend of this hour, where the window is one."""
    score: float | None = None
    """Robust standard deviations above the usual (kind `spike`)."""
    burn_ratio: float | None = None
    """Spend ÷ the budget's even share of the window (kind `burn`)."""
    budget: BudgetLine | None = None
    summary: str

    def to_json(self) -> bytes:
        """The record's value."""
        return self.model_dump_json(exclude_none=True).encode()

    @property
    def record_key(self) -> bytes:
        """The record's key."""
        return self.fingerprint.encode()


def fingerprint(kind: str, scope: str, org_id: str, key: str) -> str:
    """What an alert is about, as 32 hexadecimal digits: the severity is not part of it, for it may rise."""
    parts = "\0".join((kind, scope, org_id, key))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def alert_id(print_: str, at: Any) -> UUID:
    """The id of the alert `print_` at the moment `at`."""
    return uuid5(NAMESPACE_URL, f"spendmeter:alert:{print_}:{at.isoformat()}")
