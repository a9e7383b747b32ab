"""Projected cost of the current month. The formula is in `projection`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Final, Literal

from pydantic import BaseModel, Field

from spendmeter_clickhouse.budgets import calendar_month
from spendmeter_rollups.catalogue.money import Money, add_exactly
from spendmeter_rollups.forecast.projection import CONFIDENCE, MIN_POINTS, Forecast
from spendmeter_rollups.forecast.trend import Day, complete_days, days_left, extend_trend, trend_window, used_points
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import Window, bucket_edges, local_date
from spendmeter_rollups.views.answers import Answer, frame

_TICK: Final = timedelta(milliseconds=1)


class ProjectedDay(BaseModel):
    """Fitted cost of a remaining day."""

    date: date
    cost: Money = Field(description="for today, of the remaining part of the day")
    lower: Money = Field(description="of the 80 % interval of this day alone")
    upper: Money


class ProjectionAnswer(Answer):
    """Projection for the month of `as_of` in `tz`. The trend is fitted to the complete days of the window.

    A window of seven days that ends today includes the complete day before it.
    """

    status: Literal["ok", "insufficient_data"]
    month: str = Field(examples=["2026-11"])
    points: int = Field(description=f"complete days with usage; at least {MIN_POINTS} are required")
    spent: Money = Field(description="this month to date")
    projected: Money | None
    lower: Money | None
    upper: Money | None
    confidence: float = CONFIDENCE
    days: list[ProjectedDay]


async def projection(usage: UsageReader) -> ProjectionAnswer:
    """Project the month's cost. Days are local to the scope's time zone; today is incomplete and not a point."""
    scope = replace(usage.scope, window=trend_window(usage.scope.window, zone=usage.scope.zone, now=usage.scope.now))
    start, end = calendar_month(scope.now, scope.zone)
    month = replace(scope, window=Window(start, max(scope.now, start + _TICK)))
    spent_days, days = await asyncio.gather(_daily(usage.within(month)), _daily(usage.within(scope)))
    spent = reduce(add_exactly, (day.cost for day in spent_days.values()), Decimal(0))
    points = complete_days(days, window=scope.window, zone=scope.zone, now=scope.now)
    left = days_left(scope.now, scope.zone, end)
    return _answer(usage.scope, used_points(points), spent, extend_trend(points, left, spent=spent), left)


async def _daily(usage: UsageReader) -> dict[date, Day]:
    scope = usage.scope
    rows = await usage.sums((), ("requests", "cost"), edges=bucket_edges(scope.window, "day", scope.zone))
    dates = [datetime.fromtimestamp(row["bucket"] / 1000, scope.zone).date() for row in rows]
    return {day: Day(day, row["cost"], row["requests"]) for day, row in zip(dates, rows, strict=True)}


def _answer(
    scope: Scope,
    points: int,
    spent: Decimal,
    found: Forecast | None,
    left: Sequence[tuple[date, float]],
) -> ProjectionAnswer:
    def amount(value: float) -> Decimal:
        # Six decimals suffice for a forecast.
        return Decimal(repr(round(value, 6)))

    days = zip(left, found.days, found.margins, strict=True) if found else ()
    return ProjectionAnswer(
        **frame(scope),
        status="ok" if found else "insufficient_data",
        month=f"{local_date(scope.now, scope.zone):%Y-%m}",
        points=points,
        spent=spent,
        projected=amount(found.projected) if found else None,
        lower=amount(found.lower) if found else None,
        upper=amount(found.upper) if found else None,
        days=[
            ProjectedDay(
                date=day,
                cost=amount(cost),
                lower=amount(max(0.0, cost - margin)),
                upper=amount(max(0.0, cost + margin)),
            )
            for (day, _), cost, margin in days
        ],
    )
