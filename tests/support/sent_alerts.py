"""Alerts as the guard sends and stores them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from spendmeter_clickhouse import Store
from spendmeter_events.alert import SpendAlert, alert_id, fingerprint
from spendmeter_stream.guard.notify.stored_alerts import StoredAlerts
from tests.support.service import NOW

SPIKE: Final[dict[str, Any]] = {"kind": "spike", "severity": "critical", "window": "1h", "expected_usd": Decimal("1.2")}
USED: Final[dict[str, Any]] = {"kind": "budget", "severity": "warning", "window": "month_to_date"}
SUBJECTS: Final[Sequence[tuple[str, str, str, dict[str, Any]]]] = [
    ("org", "niketan-bengaluru", "niketan-bengaluru", USED),
    ("user", "niketan-bengaluru", "tch-niketan-015", SPIKE),
    ("org", "sunrise-delhi", "sunrise-delhi", SPIKE),
]


def store_alerts(store: Store) -> None:
    """Store an alert of each of `SUBJECTS`."""
    found = [sent(*subject, hours=number) for number, subject in enumerate(SUBJECTS, start=1)]
    with store.session("alerts") as session:
        asyncio.run(StoredAlerts(session).store(found))


def sent(scope: Any, org_id: str, key: str, values: dict[str, Any], *, hours: int) -> SpendAlert:
    """Return an alert sent `hours` before `NOW`."""
    name, at = fingerprint(values["kind"], scope, org_id, key), NOW - timedelta(hours=hours)
    return SpendAlert(
        alert_id=alert_id(name, at),
        fingerprint=name,
        scope=scope,
        org_id=org_id,
        key=key,
        **{"at": at, "since": at, "spend_usd": Decimal("17.25"), "limit_usd": Decimal("4.8"), **values},
        summary=f"{scope} {key}: {values['kind']}",
    )
