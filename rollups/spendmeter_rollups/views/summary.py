"""Totals of a window, compared with the window before or the same period before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, Field

from spendmeter_clickhouse.catalogue import DIMENSIONS, LATENCY_BIN, TOTAL_MEASURES
from spendmeter_rollups.catalogue.aggregates import add, aggregates, change
from spendmeter_rollups.catalogue.money import Money
from spendmeter_rollups.query.params import ScopeParams, fold
from spendmeter_rollups.query.people import busiest_user
from spendmeter_rollups.query.percentiles import percentiles
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.statement import milliseconds
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import LATEST, Comparison, Window, default_comparison
from spendmeter_rollups.views.answers import Answer, Measures, WindowAnswer, frame
from spendmeter_rollups.views.directory_names import Names, find_names

_SHARES: Final = (0.5, 0.95, 0.99)


class SummaryParams(ScopeParams):
    """Parameters of a summary."""

    compare: Annotated[
        Comparison | None,
        BeforeValidator(fold),
        Field(
            description="previous: the window of equal length before. same_period: the same local times of the day,"
            " month, year or days before. Default: same_period for today, mtd and ytd, else previous."
        ),
    ] = None


class ActiveUser(BaseModel):
    """The user with most requests."""

    org_id: str
    user_id: str
    org_name: str | None = Field(description="from the directory; null if unknown")
    name: str | None
    requests: int


class SummaryMeasures(Measures):
    """All measures of a window."""

    input_cost: Money
    cache_read_cost: Money
    cache_write_cost: Money
    output_cost: Money
    audio_cost: Money
    unit_cost: Money = Field(description="characters, audio seconds, images, tool calls, reported costs")
    provider_cost: Money | None = Field(description="cost reported by providers; null if none was reported")
    cache_savings: Money
    cache_unpriced_requests: int
    reasoning_tokens: int = Field(description="part of output_tokens")
    avg_ttft_ms: float | None
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None
    users: int = Field(description="distinct users with a request, without `system`")
    providers: int
    models: int = Field(description="distinct (provider, model) pairs")
    most_active_user: ActiveUser | None
    first_seen: datetime | None


class SummaryAnswer(Answer):
    """Totals, totals of the window to compare with, and the relative change of each number."""

    totals: SummaryMeasures
    compare: Comparison
    previous_window: WindowAnswer | None
    previous: SummaryMeasures | None
    change: dict[str, float | None] | None = Field(
        description="(current - previous) / previous; null if previous is zero or null",
        examples=[{"cost": 0.25, "requests": -0.1}],
    )


async def summary(usage: UsageReader, *, params: SummaryParams) -> SummaryAnswer:
    """Return the totals of both windows. Contiguous windows are read in one query, as two buckets of a series."""
    scope = usage.scope
    comparison = params.compare or default_comparison(scope.preset)
    before = scope.previous(comparison)
    if before is None:
        (totals,) = await _totals(usage, (scope,))
        found = {"totals": totals, "previous_window": None, "previous": None, "change": None}
        return SummaryAnswer(**frame(scope), compare=comparison, **found)
    if before.window.end == scope.window.start:
        previous, totals = await _totals(usage, (before, scope))
    else:
        (previous,), (totals,) = await asyncio.gather(_totals(usage, (before,)), _totals(usage, (scope,)))
    return SummaryAnswer(
        **frame(scope),
        totals=totals,
        compare=comparison,
        previous_window=WindowAnswer.of(before),
        previous=previous,
        change=_changes(totals, previous),
    )


async def _totals(usage: UsageReader, scopes: Sequence[Scope]) -> list[SummaryMeasures]:
    """Return the totals of each of `scopes`, which must be contiguous."""
    first, last = scopes[0], scopes[-1]
    whole = usage.within(replace(last, window=Window(first.window.start, last.window.end)))
    # An open end: at the window's end it would make the planner read the last day from finer rollups.
    edges = [*(scope.window.start for scope in scopes), LATEST]
    models, bins, *users = await asyncio.gather(
        whole.sums(DIMENSIONS["model"].columns, TOTAL_MEASURES, edges=edges),
        whole.sums((LATENCY_BIN,), ("latency_requests",), edges=edges),
        # One query per window: computing the bucket of every user row would take longer.
        *(usage.within(scope).read(busiest_user, DIMENSIONS["user"].columns, ("requests",)) for scope in scopes),
    )
    busiest = [active["busiest"][1:] if active["users"] else None for (active,) in users]
    names = await find_names(usage.reader, users=[person for person in busiest if person])
    return [
        _measures(_rows_of(scope, models), _rows_of(scope, bins), active, names)
        for scope, (active,) in zip(scopes, users, strict=True)
    ]


def _rows_of(scope: Scope, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["bucket"] == milliseconds(scope.window.start)]


def _measures(models: Sequence[Row], bins: Sequence[Row], active: Row, names: Names) -> SummaryMeasures:
    used = [row for row in models if row["requests"] > 0]
    p50, p95, p99 = percentiles([(row[LATENCY_BIN], row["latency_requests"]) for row in bins], _SHARES)
    return SummaryMeasures(
        **aggregates(add(models, TOTAL_MEASURES)),
        p50_latency_ms=p50,
        p95_latency_ms=p95,
        p99_latency_ms=p99,
        users=active["users"],
        providers=len({row["provider"] for row in used}),
        models=len({(row["provider"], row["model"]) for row in used}),
        most_active_user=_busiest(active, names),
    )


def _busiest(active: Row, names: Names) -> ActiveUser | None:
    if not active["users"]:
        return None
    requests, org_id, user_id = active["busiest"]
    return ActiveUser(
        org_id=org_id,
        user_id=user_id,
        org_name=names.org(org_id),
        name=names.user(org_id, user_id),
        requests=requests,
    )


def _changes(current: SummaryMeasures, previous: SummaryMeasures) -> dict[str, float | None]:
    pairs = ((name, value, getattr(previous, name)) for name, value in current)
    return {
        name: change(value, earlier)
        for name, value, earlier in pairs
        if not isinstance(value, datetime | ActiveUser) and name not in ("first_seen", "last_seen", "most_active_user")
    }
