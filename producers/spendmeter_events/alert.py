"""The alert contract: one `SpendAlert` per record of `spendmeter.alerts.v1`. docs/alerts.md explains each field."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from spendmeter_events.event import Moment, OptionalIdentifier

AlertKind = Literal["spike", "burn", "budget"]
AlertScope = Annotated[str, Field(min_length=1, max_length=32)]
"""`org`, `user` or `feature`; of a budget, any dimension, or `tag`."""
AlertSeverity = Literal["warning", "critical"]
# Fixed-point notation: 1E-7 is valid JSON but hard to read.
Usd = Annotated[Decimal, Field(ge=0), PlainSerializer(lambda amount: f"{amount:f}", when_used="json")]


class BudgetLine(BaseModel):
    """The budget of an alert."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    budget_id: UUID
    amount: Usd
    """Amount per calendar month, in `currency`."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    usd: Usd
    """`amount` in USD at the current rate."""
    used_ratio: Annotated[float, Field(ge=0)]
    """Month-to-date spend ÷ amount."""
    threshold: float | None = None
    """Share of the budget that was passed (kind `budget`)."""


class SpendAlert(BaseModel):
    """An alert about the spend of an org, user, feature or another dimension.

    Unknown fields are ignored, so that fields can be added.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: Literal[1] = 1
    alert_id: UUID
    """Id of this record; a retried webhook request carries the same id."""
    fingerprint: str
    """Id of the condition: the same in repeated alerts. It is the record's key."""
    kind: AlertKind
    severity: AlertSeverity
    scope: AlertScope
    org_id: OptionalIdentifier
    """Empty if the spend is summed over all orgs."""
    key: Annotated[str, Field(min_length=1, max_length=400)]
    """The org, user, feature, or value of another dimension."""
    at: Moment
    """Time of the evaluation."""
    since: Moment
    """Time of the first evaluation that raised this alert."""
    window: Literal["15m", "1h", "6h", "month_to_date"]
    spend_usd: Usd
    """Spend in `window`."""
    limit_usd: Usd
    """Threshold for the spend in `window`."""
    expected_usd: Usd | None = None
    """Usual spend in this hour, if `window` is `1h`."""
    score: float | None = None
    """Robust standard deviations above the usual spend (kind `spike`)."""
    burn_ratio: float | None = None
    """Spend ÷ the budget's pro-rata share for `window` (kind `burn`)."""
    budget: BudgetLine | None = None
    summary: str

    def to_json(self) -> bytes:
        """Return the record's value."""
        return self.model_dump_json(exclude_none=True).encode()

    @property
    def record_key(self) -> bytes:
        """The record's key."""
        return self.fingerprint.encode()


def fingerprint(kind: str, scope: str, org_id: str, key: str) -> str:
    """Return the id of an alert condition, 32 hexadecimal digits. Excludes the severity, which may increase."""
    parts = "\0".join((kind, scope, org_id, key))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def alert_id(condition: str, at: Any) -> UUID:
    """Return the id of the alert with fingerprint `condition` at time `at`."""
    return uuid5(NAMESPACE_URL, f"spendmeter:alert:{condition}:{at.isoformat()}")
