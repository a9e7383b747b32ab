"""Usage over time, in total or by a dimension, without missing buckets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field

from spendmeter_clickhouse.catalogue import POINT_MEASURES, Dimension
from spendmeter_rollups.catalogue.aggregates import add, aggregates, zero
from spendmeter_rollups.catalogue.money import Money
from spendmeter_rollups.catalogue.tags import public_name
from spendmeter_rollups.query import sums as queries
from spendmeter_rollups.query.params import ScopeParams, Value, fold
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.statement import milliseconds
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import Granularity
from spendmeter_rollups.views.answers import Answer, frame
from spendmeter_rollups.views.breakdown import find_group, students_of
from spendmeter_rollups.views.directory_names import names_of_keys
from spendmeter_rollups.views.row_details import key_of
from spendmeter_rollups.views.series import check_values, resolve_granularity, series_edges


class GranularityParams(ScopeParams):
    """Parameters with a granularity."""

    granularity: Annotated[
        Literal["auto", "hour", "day", "week", "month"],
        BeforeValidator(fold),
        Field(description="auto: hour up to 7 days, day up to 90, week up to 365, else month"),
    ] = "auto"


class SeriesParams(GranularityParams):
    """Parameters of a time series."""

    group_by: list[Value] = Field(
        [],
        max_length=2,
        description="a dimension; groups by cost, descending. Repeat it to cross two",
        examples=[["model"]],
    )
    limit: Annotated[int, Field(ge=1, le=50, description="number of groups; the rest is added up in one series")] = 10


class Point(BaseModel):
    """One bucket. The first and the last bucket count only calls inside the window."""

    start: datetime = Field(description="start of the bucket, with the offset of `tz`")
    requests: int
    errors: int
    cost: Money
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    avg_latency_ms: float | None


Bucket = tuple[int, datetime]
"""The start of a bucket: as in rows (Unix milliseconds) and as in answers (in the caller's time zone)."""

_SHOWN: Final = tuple(name for name in Point.model_fields if name != "start")


class Series(BaseModel):
    """One group over time."""

    key: dict[str, str] | None = Field(description="null for the total, or for all groups beyond `limit`")
    name: str | None = Field(
        default=None, description="of an org, user, agent, task, configuration or feature, from the directory"
    )
    org_name: str | None = Field(default=None, description="for users, classes and sections")
    avatar_url: str | None = Field(default=None, description="of an agent, from the directory")
    names: dict[str, str] | None = Field(default=None, description="for two dimensions: names by column of the key")
    other: bool = Field(default=False, description="true for the sum of all groups beyond `limit`")
    points: list[Point]


class SeriesAnswer(Answer):
    """Series with all buckets of the window; empty buckets are zero."""

    granularity: Granularity
    group_by: str | None = Field(
        description="two dimensions are separated by a comma", examples=["model", "role,model"]
    )
    series: list[Series]


async def timeseries(usage: UsageReader, *, params: SeriesParams) -> SeriesAnswer:
    """Return one series for the total, or one for each group with the highest cost and one for the rest."""
    dimension = find_group(params.group_by) if params.group_by else None
    if dimension is not None:
        usage = students_of(usage, dimension)
    scope = usage.scope
    granularity = resolve_granularity(scope, params.granularity)
    edges = series_edges(scope, granularity)
    if dimension is None:
        series = [Series(key=None, points=await whole_series(usage, edges))]
    else:
        series = await _grouped(usage, edges, dimension, params.limit)
    return SeriesAnswer(
        **frame(scope), granularity=granularity, group_by=dimension.name if dimension else None, series=series
    )


async def whole_series(usage: UsageReader, edges: Sequence[datetime]) -> list[Point]:
    """Return the total usage, one point per bucket."""
    rows = await usage.sums((), POINT_MEASURES, edges=edges)
    return series_points(rows, _buckets(edges, usage.scope))


async def _grouped(usage: UsageReader, edges: Sequence[datetime], dimension: Dimension, limit: int) -> list[Series]:
    # Check before reading: `limit` groups and one series for the rest.
    check_values(limit + 1, edges, limit=limit)
    scope, columns = usage.scope, dimension.columns
    rows = await usage.read(queries.top_series, columns, POINT_MEASURES, edges=edges, limit=limit)
    buckets = _buckets(edges, scope)
    rest = [row for row in rows if not row["is_top"]]
    top = _by_cost([row for row in rows if row["is_top"]], [f"key_{number}" for number in range(len(columns))])
    names = await names_of_keys(usage, columns, [key for key, _ in top])
    series = [
        Series.model_construct(
            key=dict(zip(map(public_name, columns), key, strict=True)),
            other=False,
            points=series_points(found, buckets),
            **names.of(columns, key),
        )
        for key, found in top
    ]
    if rest:
        series.append(Series.model_construct(key=None, other=True, points=series_points(rest, buckets)))
    return series


def _by_cost(rows: Iterable[Row], columns: Sequence[str]) -> list[tuple[tuple[str, ...], list[Row]]]:
    """Return the rows of each key, by cost, descending. Keys of equal cost keep their order."""
    found: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        found[key_of(row, columns)].append(row)
    costs = {key: add(each, ("cost",))["cost"] for key, each in found.items()}
    return sorted(found.items(), key=lambda item: costs[item[0]], reverse=True)


def series_points(rows: Iterable[Row], buckets: Sequence[Bucket]) -> list[Point]:
    """Return one point per bucket; buckets without a row are zero."""
    found = {row["bucket"]: row for row in rows}
    empty = _measures(zero(POINT_MEASURES))
    points = []
    for name, start in buckets:
        row = found.get(name)
        # Skip validation: these values are our own, and a series has thousands of points, most of them empty.
        measures = empty if row is None else _measures(row)
        points.append(Point.model_construct(start=start, **measures))
    return points


def _buckets(edges: Sequence[datetime], scope: Scope) -> list[Bucket]:
    return [(milliseconds(edge), edge.astimezone(scope.zone)) for edge in edges[:-1]]


def _measures(row: Row | dict[str, Any]) -> dict[str, Any]:
    found = aggregates({measure: row[measure] for measure in POINT_MEASURES})
    return {name: found[name] for name in _SHOWN}
