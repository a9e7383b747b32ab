"""The key figures of a window, beside those of the equal window before it (features row 6)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, Field

from spendmeter_rollups.answers import Answer, Figures, WindowAnswer, frame
from spendmeter_rollups.dimensions import DIMENSIONS, TOTAL_MEASURES
from spendmeter_rollups.figures import add, change, figures
from spendmeter_rollups.money import Money
from spendmeter_rollups.percentiles import percentiles
from spendmeter_rollups.queries import sums as queries
from spendmeter_rollups.reader import Reader, Row
from spendmeter_rollups.scope import Scope

_SHARES: Final = (0.5, 0.95, 0.99)


class ActiveUser(BaseModel):
    """Who made most requests."""

    org_id: str
    user_id: str
    requests: int


class SummaryFigures(Figures):
    """All measures of a window."""

    input_cost: Money
    cache_read_cost: Money
    cache_write_cost: Money
    output_cost: Money
    audio_cost: Money
    unit_cost: Money = Field(description="characters, audio seconds, images, tool calls")
    provider_cost: Money | None = Field(description="what providers themselves reported; null where none did")
    cache_savings: Money
    cache_unpriced_requests: int
    reasoning_tokens: int = Field(description="part of output_tokens")
    avg_ttft_ms: float | None
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None
    users: int = Field(description="distinct users with a request; `system` is none")
    providers: int
    models: int = Field(description="distinct pairs of provider and model")
    most_active_user: ActiveUser | None
    first_seen: datetime | None


class SummaryAnswer(Answer):
    """Totals, the totals of the previous equal window, and the relative change of each number."""

    totals: SummaryFigures
    previous_window: WindowAnswer | None
    previous: SummaryFigures | None
    change: dict[str, float | None] | None = Field(
        description="(now - before) / before; null where there was nothing before",
        examples=[{"cost": 0.25, "requests": -0.1}],
    )


async def summary(reader: Reader, scope: Scope) -> SummaryAnswer:
    """Both windows are read at the same time."""
    before = scope.previous()
    if before is None:
        return SummaryAnswer(
            **frame(scope), totals=await _totals(reader, scope), previous_window=None, previous=None, change=None
        )
    totals, previous = await asyncio.gather(_totals(reader, scope), _totals(reader, before))
    return SummaryAnswer(
        **frame(scope),
        totals=totals,
        previous_window=WindowAnswer.of(before),
        previous=previous,
        change=_changes(totals, previous),
    )


async def _totals(reader: Reader, scope: Scope) -> SummaryFigures:
    models, users, bins = await asyncio.gather(
        _by_model(reader, scope), _users(reader, scope), latency_bins(reader, scope)
    )
    p50, p95, p99 = percentiles(bins, _SHARES)
    used = [row for row in models if row["requests"] > 0]
    return SummaryFigures(
        **figures(add(models, TOTAL_MEASURES), scope.rate),
        **users,
        p50_latency_ms=p50,
        p95_latency_ms=p95,
        p99_latency_ms=p99,
        providers=len({row["provider"] for row in used}),
        models=len({(row["provider"], row["model"]) for row in used}),
    )


async def _by_model(reader: Reader, scope: Scope) -> list[Row]:
    what = scope.sums(DIMENSIONS["model"].columns, TOTAL_MEASURES)
    return await reader.rows(queries.sums(what, scope.pieces(what)))


async def _users(reader: Reader, scope: Scope) -> dict[str, Any]:
    what = scope.sums((), ("requests",))
    people = scope.sums(DIMENSIONS["user"].columns, ("requests",))
    (row,) = await reader.rows(queries.unique_users(what, scope.pieces(people)))
    org_id, user_id, requests = row["busiest"]
    busiest = ActiveUser(org_id=org_id, user_id=user_id, requests=requests) if row["users"] else None
    return {"users": row["users"], "most_active_user": busiest}


async def latency_bins(reader: Reader, scope: Scope) -> list[tuple[int, int]]:
    """(bin, calls) over the window."""
    what = scope.sums(("latency_bin",), ("latency_requests",))
    rows = await reader.rows(queries.sums(what, scope.pieces(what)))
    return [(row["latency_bin"], row["latency_requests"]) for row in rows]


def _changes(now: SummaryFigures, before: SummaryFigures) -> dict[str, float | None]:
    pairs = ((name, value, getattr(before, name)) for name, value in now)
    return {
        name: change(value, earlier)
        for name, value, earlier in pairs
        if not isinstance(value, datetime | ActiveUser) and name not in ("first_seen", "last_seen", "most_active_user")
    }
