"""What the current month will have cost at its end (features row 14). The formula is in `projection`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field

from spendmeter_rollups.answers import Answer, frame
from spendmeter_rollups.dimensions import POINT_MEASURES
from spendmeter_rollups.figures import add
from spendmeter_rollups.money import Money
from spendmeter_rollups.projection import CONFIDENCE, MIN_POINTS, Forecast, forecast
from spendmeter_rollups.queries import sums as queries
from spendmeter_rollups.reader import Reader, Row
from spendmeter_rollups.scope import Scope
from spendmeter_rollups.windows import Window, bucket_edges, local_date, start_of_day


class ProjectedDay(BaseModel):
    """One day that is left: the dashed end of the trend line."""

    date: date
    cost: Money = Field(description="for today, of the part of the day that is left")


class ProjectionAnswer(Answer):
    """The month in which `as_of` lies, by the clock of `tz`. The window chooses the days the trend is fitted to."""

    status: Literal["ok", "insufficient_data"]
    month: str = Field(examples=["2026-11"])
    points: int = Field(description=f"complete days with usage; {MIN_POINTS} are needed")
    spent: Money = Field(description="this month, until now")
    projected: Money | None
    lower: Money | None
    upper: Money | None
    confidence: float = CONFIDENCE
    days: list[ProjectedDay]


async def projection(reader: Reader, scope: Scope) -> ProjectionAnswer:
    """Days cut in the scope's zone; today is not a point, for it is not over."""
    today = local_date(scope.now, scope.zone)
    month = Window(start_of_day(today.replace(day=1), scope.zone), _month_end(today, scope))
    spent_rows, rows = await asyncio.gather(
        _daily(reader, replace(scope, window=Window(month.start, max(scope.now, month.start + _TICK)))),
        _daily(reader, scope),
    )
    spent = add(spent_rows, ("cost",))["cost"]
    points = _points(rows, scope, today)
    used = sum(1 for _, requests in points if requests)
    left = _days_left(today, scope, month.end)
    if used < MIN_POINTS:
        return _answer(scope, today, used, spent, None, left)
    found = forecast(
        [cost for cost, _ in points],
        spent=float(spent),
        ahead=[(day - _first_day(rows, scope)).days for day, _ in left],
        weights=[share for _, share in left],
    )
    return _answer(scope, today, used, spent, found, left)


_TICK = timedelta(milliseconds=1)


def _month_end(today: date, scope: Scope) -> datetime:
    return start_of_day((today.replace(day=1) + timedelta(days=31)).replace(day=1), scope.zone)


async def _daily(reader: Reader, scope: Scope) -> list[Row]:
    edges = bucket_edges(scope.window, "day", scope.zone)
    what = scope.sums((), POINT_MEASURES, edges=edges[:-1])
    return await reader.rows(queries.sums(what, scope.pieces(what, end=edges[-1])))


def _first_day(rows: Sequence[Row], scope: Scope) -> date:
    used = [row["bucket"] for row in rows if row["requests"]]
    return datetime.fromtimestamp(min(used), scope.zone).date()


def _points(rows: Sequence[Row], scope: Scope, today: date) -> list[tuple[float, int]]:
    """(spend, requests) of each complete day in the window, from the first with a request on."""
    by_day = {datetime.fromtimestamp(row["bucket"], scope.zone).date(): row for row in rows}
    if not any(row["requests"] for row in rows):
        return []
    day = _first_day(rows, scope)
    if start_of_day(day, scope.zone) < scope.window.start:
        day += timedelta(days=1)
    points = []
    while day < today and start_of_day(day + timedelta(days=1), scope.zone) <= scope.window.end:
        row = by_day.get(day)
        points.append((float(row["cost"]), row["requests"]) if row else (0.0, 0))
        day += timedelta(days=1)
    return points


def _days_left(today: date, scope: Scope, end: datetime) -> list[tuple[date, float]]:
    """Each day from today to the month's end, and the share of it that is left."""
    begin, over = (start_of_day(today + timedelta(days=n), scope.zone) for n in (0, 1))
    days = [(today, (over - scope.now) / (over - begin))]
    day = today + timedelta(days=1)
    while start_of_day(day, scope.zone) < end:
        days.append((day, 1.0))
        day += timedelta(days=1)
    return days


def _answer(
    scope: Scope,
    today: date,
    points: int,
    spent: Decimal,
    found: Forecast | None,
    left: Sequence[tuple[date, float]],
) -> ProjectionAnswer:
    def amount(value: float) -> Decimal:
        # A forecast has no twelve meaningful decimals.
        return scope.rate.convert(Decimal(repr(round(value, 6))))

    days = zip(left, found.days, strict=True) if found else ()
    return ProjectionAnswer(
        **frame(scope),
        status="ok" if found else "insufficient_data",
        month=f"{today:%Y-%m}",
        points=points,
        spent=scope.rate.convert(spent),
        projected=amount(found.projected) if found else None,
        lower=amount(found.lower) if found else None,
        upper=amount(found.upper) if found else None,
        days=[ProjectedDay(date=day, cost=amount(cost)) for (day, _), cost in days],
    )
