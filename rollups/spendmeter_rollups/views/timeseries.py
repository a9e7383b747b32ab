"""Usage over time, whole or by a dimension, with every bucket present (features rows 5 and 7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from spendmeter_rollups.catalogue.aggregates import aggregates, zero
from spendmeter_rollups.catalogue.dimensions import DIMENSIONS, POINT_MEASURES, Dimension
from spendmeter_rollups.catalogue.money import Money
from spendmeter_rollups.problems import invalid_parameter
from spendmeter_rollups.query import sums as queries
from spendmeter_rollups.query.params import ScopeParams, Value
from spendmeter_rollups.query.reader import Reader, Row
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.statement import milliseconds
from spendmeter_rollups.query.windows import Granularity
from spendmeter_rollups.views.answers import Answer, frame
from spendmeter_rollups.views.breakdown import students_of
from spendmeter_rollups.views.row_details import key_of
from spendmeter_rollups.views.series import check_values, granularity_of, series_edges


class GranularityParams(ScopeParams):
    """How fine."""

    granularity: Annotated[
        Literal["auto", "hour", "day", "week", "month"],
        Field(description="auto: up to 7 days hour, up to 90 day, up to 365 week, else month"),
    ] = "auto"


class SeriesParams(GranularityParams):
    """By what, and how many groups."""

    group_by: Annotated[Value | None, Field(description="a dimension; costliest groups first", examples=["model"])] = (
        None
    )
    limit: Annotated[int, Field(ge=1, le=50, description="groups; the others are added up in one series")] = 10


class Point(BaseModel):
    """One bucket. The first and the last count only what is inside the window."""

    start: datetime = Field(description="local start of the bucket, with its offset")
    requests: int
    errors: int
    cost: Money
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    avg_latency_ms: float | None


Bucket = tuple[int, datetime]
"""Its start as rows name it, in Unix milliseconds, and as answers do, in the caller's zone."""

_SHOWN: Final = tuple(name for name in Point.model_fields if name != "start")


class Series(BaseModel):
    """One group over time."""

    key: dict[str, str] | None = Field(description="null for everything, or for all groups beyond `limit`")
    other: bool = Field(default=False, description="whether this adds up the groups beyond `limit`")
    points: list[Point]


class SeriesAnswer(Answer):
    """Every series has every bucket; empty ones are zero."""

    granularity: Granularity
    group_by: str | None
    series: list[Series]


async def timeseries(reader: Reader, scope: Scope, *, params: SeriesParams) -> SeriesAnswer:
    """One series, or one for each of the costliest groups and one for the rest."""
    dimension = find_group(params.group_by)
    if dimension is not None:
        scope = students_of(scope, dimension)
    granularity = granularity_of(scope, params.granularity)
    edges = series_edges(scope, granularity)
    if dimension is None:
        series = [Series(key=None, points=await whole_series(reader, scope, edges))]
    else:
        series = await _grouped(reader, scope, edges, dimension, params.limit)
    return SeriesAnswer(**frame(scope), granularity=granularity, group_by=params.group_by, series=series)


def find_group(name: str | None) -> Dimension | None:
    """The dimension to group by. Raises `Problem` (422) for a name that is none."""
    if name is None:
        return None
    if name not in DIMENSIONS:
        raise invalid_parameter("group_by", f"there is no dimension {name!r}", allowed=list(DIMENSIONS))
    return DIMENSIONS[name]


async def whole_series(reader: Reader, scope: Scope, edges: Sequence[datetime]) -> list[Point]:
    """All usage of `scope`, one point a bucket."""
    spec = scope.sums((), POINT_MEASURES, edges=edges[:-1])
    rows = await reader.rows(queries.sums(spec, scope.pieces(spec, end=edges[-1])))
    return series_points(rows, _buckets(edges, scope), scope)


async def _grouped(
    reader: Reader, scope: Scope, edges: Sequence[datetime], dimension: Dimension, limit: int
) -> list[Series]:
    # Before anything is read: the groups that are shown, and one series for the rest.
    check_values(limit + 1, edges, limit=limit)
    ranking = scope.sums(dimension.columns, ("requests", "cost"))
    ranked = await reader.rows(queries.ranked_sums(ranking, scope.pieces(ranking), order_by="cost", limit=limit + 1))
    groups = [row for row in ranked if not row["is_total"]]
    keys = [key_of(row, dimension.columns) for row in groups[:limit]]
    spec = scope.sums(dimension.columns, POINT_MEASURES, edges=edges[:-1])
    rows = await reader.rows(queries.ranked_series(spec, scope.pieces(spec, end=edges[-1]), keys=keys))
    buckets = _buckets(edges, scope)
    by_position: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_position[row["position"]].append(row)
    series = [
        Series.model_construct(
            key=dict(zip(dimension.columns, key, strict=True)),
            other=False,
            points=series_points(by_position[position], buckets, scope),
        )
        for position, key in enumerate(keys, start=1)
    ]
    if len(groups) > limit:
        rest = series_points(by_position[0], buckets, scope)
        series.append(Series.model_construct(key=None, other=True, points=rest))
    return series


def series_points(rows: Iterable[Row], buckets: Sequence[Bucket], scope: Scope) -> list[Point]:
    """One point a bucket; those without a row are zero."""
    found = {row["bucket"]: row for row in rows}
    empty = _measures(zero(POINT_MEASURES), scope)
    points = []
    for name, start in buckets:
        row = found.get(name)
        # Most of a long series is empty, and thousands of points must not cost a validation each: these are our own.
        measures = empty if row is None else _measures(row, scope)
        points.append(Point.model_construct(start=start, **measures))
    return points


def _buckets(edges: Sequence[datetime], scope: Scope) -> list[Bucket]:
    return [(milliseconds(edge), edge.astimezone(scope.zone)) for edge in edges[:-1]]


def _measures(row: Row | dict[str, Any], scope: Scope) -> dict[str, Any]:
    found = aggregates({measure: row[measure] for measure in POINT_MEASURES}, scope.rate)
    return {name: found[name] for name in _SHOWN}
