"""Run the guard on stored history: its findings at given times, and the delay after the start of an incident.

A reading ignores later events, so one store serves every time.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from uuid import uuid4

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.budgets import Budget, write_budget
from spendmeter_clickhouse.fx import FxRate, import_rates
from spendmeter_stream.guard.evaluate.findings import Finding, find
from spendmeter_stream.guard.evaluate.thresholds import default_thresholds
from spendmeter_stream.guard.read.spend_reader import SpendReader

FLOOR = 2.0
RUN_SECONDS = 10
PER_USD = {"INR": Decimal("88.5"), "EUR": Decimal("0.86"), "USD": Decimal(1)}


def moments(first: datetime, last: datetime, *, every: timedelta) -> Iterator[datetime]:
    """Return times from `first` on, below `last`."""
    while first < last:
        yield first
        first += every


async def findings(session: Session, at: Iterable[datetime]) -> list[tuple[datetime, Finding]]:
    """Return all findings of the guard at each of the ascending times."""
    reader = SpendReader(session=session, floor=FLOOR)
    return [
        (moment, finding)
        for moment in at
        for finding in find(await reader.read(moment), thresholds=default_thresholds())
    ]


async def seconds_to_find(session: Session, start: datetime, org_id: str, *, most: int) -> tuple[int, Finding] | None:
    """Return the seconds from `start` to the first findings about `org_id`, and these; None after `most` runs."""
    reader = SpendReader(session=session, floor=FLOOR)
    # The worst case is an incident that starts directly after a run.
    for run in range(1, most + 1):
        reading = await reader.read(start + timedelta(seconds=run * RUN_SECONDS))
        found = find(reading, thresholds=default_thresholds())
        # Budget findings depend on earlier spend, not on the incident.
        mine = [finding for finding in found if finding.key.org_id == org_id and finding.kind != "budget"]
        if mine:
            return run * RUN_SECONDS, mine[0]
    return None


async def set_budgets(session: Session, *, headroom: Decimal, now: datetime) -> int:
    """Create budgets for each org, each feature over all orgs, and the 100 top-spending users: `headroom` times
    their most expensive calendar month, in the org's currency. Return their number."""
    rates = [FxRate(datetime(2026, 1, 1, tzinfo=UTC).date(), code, rate, "test") for code, rate in PER_USD.items()]
    await import_rates(session, [rate for rate in rates if rate.currency != "USD"], now=now)
    number = 0
    for (scope, org_id, name), amounts in (await _months(session)).items():
        currency = await _currency(session, org_id)
        amount = (max(amounts) * headroom * PER_USD[currency]).quantize(Decimal("0.01"), ROUND_CEILING)
        user, feature = (name if scope == "user" else "", name if scope == "feature" else "")
        await write_budget(session, Budget(uuid4(), scope, org_id, user, feature, amount, currency, now))
        number += 1
    return number


async def _months(session: Session) -> Mapping[tuple[str, str, str], list[Decimal]]:
    """Return the spend of each key per UTC calendar month (the offset to local months is far below the headroom)."""
    where = "FROM user_daily AS event WHERE event.key_source = 'platform'"
    months: defaultdict[tuple[str, str, str], list[Decimal]] = defaultdict(list)
    for scope, org, name, limit in (
        ("org", "org_id", "org_id", math.inf),
        ("feature", "''", "feature", math.inf),
        ("user", "org_id", "user_id", 100),
    ):
        answer = await session.query(
            f"SELECT {org} AS org, {name} AS name, toYYYYMM(event.bucket) AS month, sum(event.cost) AS cost {where}"
            " GROUP BY org, name, month ORDER BY cost DESC"
        )
        for org_id, key, _, cost in answer.result_rows:
            if (scope, org_id, key) in months or len([k for k in months if k[0] == scope]) < limit:
                months[scope, org_id, key].append(cost)
    return {key: amounts for key, amounts in months.items() if max(amounts) > 0}


async def _currency(session: Session, org_id: str) -> str:
    if not org_id:
        return "USD"
    answer = await session.query("SELECT currency FROM orgs FINAL WHERE org_id = {org:String}", {"org": org_id})
    return str(answer.result_rows[0][0]) if answer.result_rows else "USD"
