"""Usage by weekday and hour in the caller's time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, Field

from spendmeter_clickhouse.catalogue import POINT_MEASURES
from spendmeter_rollups.catalogue.aggregates import add, aggregates
from spendmeter_rollups.catalogue.money import Money
from spendmeter_rollups.problems import invalid_parameter
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import bucket_edges
from spendmeter_rollups.views.answers import Answer, frame

MAX_DAYS: Final = 5 * 366


class Cell(BaseModel):
    """Usage of one weekday and hour over the whole window."""

    weekday: int = Field(ge=0, le=6, description="Sunday is 0")
    hour: int = Field(ge=0, le=23)
    requests: int
    cost: Money
    total_tokens: int


class HeatmapAnswer(Answer):
    """Cells with usage, by weekday and hour; empty cells are omitted."""

    cells: list[Cell]


async def heatmap(usage: UsageReader) -> HeatmapAnswer:
    """Return the heatmap of `usage`. Raises `Problem` for a window of more than `MAX_DAYS` days."""
    scope = usage.scope
    if scope.window.length.days > MAX_DAYS:
        raise invalid_parameter("from", f"a heatmap covers at most {MAX_DAYS} days")
    edges = bucket_edges(scope.window, "hour", scope.zone)
    cells: dict[tuple[int, int], list[Row]] = {}
    for row in await usage.sums((), POINT_MEASURES, edges=edges):
        local = datetime.fromtimestamp(row["bucket"] / 1000, UTC).astimezone(scope.zone)
        cells.setdefault((local.isoweekday() % 7, local.hour), []).append(row)
    return HeatmapAnswer(**frame(scope), cells=[_cell(key, cells[key]) for key in sorted(cells)])


def _cell(key: tuple[int, int], rows: list[Row]) -> Cell:
    found = aggregates(add(rows, POINT_MEASURES))
    return Cell(
        weekday=key[0],
        hour=key[1],
        requests=found["requests"],
        cost=found["cost"],
        total_tokens=found["total_tokens"],
    )
