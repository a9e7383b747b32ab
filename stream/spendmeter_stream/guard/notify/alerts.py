"""Turn findings into alerts and rate-limit their repeats. Pure except for `AlertHistory`."""

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
    # A used-up budget stays used up until the month ends.
    "budget": timedelta(days=1),
}
_GAP: Final = timedelta(minutes=30)
"""Time after a pending repeat from which an alert is resolved, and the next one is new."""
_MICRO: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class _SentAlert:
    at: datetime
    since: datetime
    severity: AlertSeverity
    threshold: float


class AlertHistory:
    """Sent alerts. A new leader fills it from the topic, so that it repeats nothing."""

    def __init__(self) -> None:
        self._sent: dict[str, _SentAlert] = {}

    def record(self, alerts: Iterable[SpendAlert]) -> None:
        """Record sent alerts, in order."""
        for alert in alerts:
            self._sent[alert.fingerprint] = _SentAlert(
                alert.at, alert.since, alert.severity, (alert.budget and alert.budget.threshold) or 0.0
            )

    def pending(self, findings: Sequence[Finding], *, at: datetime) -> list[SpendAlert]:
        """Return the alerts to send now: new ones, worse ones, and repeats after `REPEAT`.

        The call records nothing: an alert that could not be sent stays pending.
        """
        self._expire(at)
        return [alert for finding in findings if (alert := self._alert(finding, at))]

    def _alert(self, finding: Finding, at: datetime) -> SpendAlert | None:
        key = finding.key
        sent = self._sent.get(fingerprint(finding.kind, key.scope, key.org_id, key.name))
        worse = sent is not None and (
            (sent.severity, finding.severity) == ("warning", "critical") or (finding.threshold or 0.0) > sent.threshold
        )
        if sent is not None and not worse and at - sent.at < REPEAT[finding.kind]:
            return None
        ongoing = sent is not None and at - sent.at < REPEAT[finding.kind] + _GAP
        return to_alert(finding, at=at, since=sent.since if sent is not None and ongoing else at)

    def _expire(self, at: datetime) -> None:
        limit = at - max(REPEAT.values()) - _GAP
        self._sent = {key: sent for key, sent in self._sent.items() if sent.at >= limit}


def to_alert(finding: Finding, *, at: datetime, since: datetime) -> SpendAlert:
    """Return the alert record of `finding`."""
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
        budget=_line(finding.budget, finding.threshold) if finding.budget else None,
        summary=summary(finding),
    )


def summary(finding: Finding) -> str:
    """Return a one-line summary for people."""
    spender = describe(finding.key)
    if finding.kind == "spike":
        usual = finding.expected or 0.0
        return f"{spender} spent {finding.spend:.2f} USD in an hour in which {usual:.2f} USD are usual"
    if finding.kind == "burn":
        return f"{spender} burns its budget {finding.burn or 0:.1f} times too fast over {finding.window}"
    used = finding.budget.used if finding.budget else 0.0
    return f"{spender} has used {used:.0%} of this month's budget"


def describe(key: Key) -> str:
    """Return `key` as text for people."""
    if key.scope == "org" or not key.org_id:
        return f"{key.scope} {key.name}"
    return f"{key.scope} {key.name} of {key.org_id}"


def _line(state: BudgetState, threshold: float | None) -> BudgetLine:
    budget = state.budget
    return BudgetLine(
        budget_id=budget.budget_id,
        amount=budget.amount,
        currency=budget.currency,
        usd=state.usd.quantize(_MICRO),
        used_ratio=round(state.used, 4),
        threshold=threshold,
    )


def _usd(amount: float) -> Decimal:
    return Decimal(max(amount, 0.0)).quantize(_MICRO)


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
