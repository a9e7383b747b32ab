"""Findings into alerts, each at most once in so long. Pure, but for the memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from spendmeter_events.alert import AlertKind, AlertSeverity, BudgetLine, SpendAlert, alert_id, fingerprint
from spendmeter_stream.guard.evaluate.burn import BudgetState
from spendmeter_stream.guard.evaluate.findings import Finding
from spendmeter_stream.guard.values import Key

REPEAT: Final[Mapping[AlertKind, timedelta]] = {
    "spike": timedelta(hours=1),
    "burn": timedelta(hours=1),
    # A budget that is used up stays so until the month ends.
    "budget": timedelta(days=1),
}
_GAP: Final = timedelta(minutes=30)
"""So long after its repeat was due, an alert that was not told again is over, and the next one is new."""
_MICRO: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class _Told:
    at: datetime
    since: datetime
    severity: AlertSeverity


class Memory:
    """What was told already. It is filled from the topic, so that the next leader goes on where the last one ended."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}

    def remember(self, alerts: Iterable[SpendAlert]) -> None:
        """`alerts` were told, in this order."""
        for alert in alerts:
            self._told[alert.fingerprint] = _Told(alert.at, alert.since, alert.severity)

    def due(self, findings: Sequence[Finding], *, at: datetime) -> list[SpendAlert]:
        """The alerts to tell now: new ones, worse ones, and those whose last word is long enough ago.

        Asking changes nothing: what could not be told is due again.
        """
        self._forget(at)
        return [alert for finding in findings if (alert := self._alert(finding, at))]

    def _alert(self, finding: Finding, at: datetime) -> SpendAlert | None:
        key = finding.key
        told = self._told.get(fingerprint(finding.kind, key.scope, key.org_id, key.name))
        worse = told is not None and (told.severity, finding.severity) == ("warning", "critical")
        if told is not None and not worse and at - told.at < REPEAT[finding.kind]:
            return None
        lasting = told is not None and at - told.at < REPEAT[finding.kind] + _GAP
        return to_alert(finding, at=at, since=told.since if told is not None and lasting else at)

    def _forget(self, at: datetime) -> None:
        limit = at - max(REPEAT.values()) - _GAP
        self._told = {key: told for key, told in self._told.items() if told.at >= limit}


def to_alert(finding: Finding, *, at: datetime, since: datetime) -> SpendAlert:
    """The record that tells of `finding`."""
    key = finding.key
    name = fingerprint(finding.kind, key.scope, key.org_id, key.name)
    return SpendAlert(
        alert_id=alert_id(name, at),
        fingerprint=name,
        kind=finding.kind,
        severity=finding.severity,
        scope=key.scope,
        org_id=key.org_id,
        key=key.name,
        at=at,
        since=since,
        window=finding.window,
        spend_usd=max(finding.spend, Decimal(0)),
        limit_usd=_usd(finding.limit),
        expected_usd=None if finding.expected is None else _usd(finding.expected),
        score=_round(finding.score),
        burn_ratio=_round(finding.burn),
        budget=_line(finding.budget) if finding.budget else None,
        summary=summary(finding),
    )


def summary(finding: Finding) -> str:
    """One line for people."""
    who = describe(finding.key)
    if finding.kind == "spike":
        usual = finding.expected or 0.0
        return f"{who} spent {finding.spend:.2f} USD in an hour in which {usual:.2f} USD are usual"
    if finding.kind == "burn":
        return f"{who} burns its budget {finding.burn or 0:.1f} times too fast over {finding.window}"
    used = finding.budget.used if finding.budget else 0.0
    return f"{who} has used {used:.0%} of this month's budget"


def describe(key: Key) -> str:
    """`key` in words."""
    if key.scope == "org" or not key.org_id:
        return f"{key.scope} {key.name}"
    return f"{key.scope} {key.name} of {key.org_id}"


def _line(state: BudgetState) -> BudgetLine:
    budget = state.budget
    return BudgetLine(
        budget_id=budget.budget_id,
        amount=budget.amount,
        currency=budget.currency,
        usd=state.usd.quantize(_MICRO),
        used_ratio=round(state.used, 4),
    )


def _usd(amount: float) -> Decimal:
    return Decimal(max(amount, 0.0)).quantize(_MICRO)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
