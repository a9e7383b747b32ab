"""The error report: error rate over time, errors by provider and type, recent errors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, Field

from spendmeter_rollups.calls.log import EventRow, newest_calls
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.scope import Scope
from spendmeter_rollups.query.statement import milliseconds
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.query.windows import Granularity
from spendmeter_rollups.views.answers import Answer, frame
from spendmeter_rollups.views.series import resolve_granularity, series_edges
from spendmeter_rollups.views.timeseries import GranularityParams

_MEASURES: Final = ("requests", "errors")


class ErrorsParams(GranularityParams):
    """Parameters of the error report."""

    recent: Annotated[int, Field(ge=0, le=200)] = 20


class ErrorPoint(BaseModel):
    """Requests and errors of one bucket."""

    start: datetime
    requests: int
    errors: int
    error_rate: float | None = Field(description="errors / requests; null without requests")


class ErrorKind(BaseModel):
    """One error type of one provider."""

    provider: str
    error_type: str
    errors: int
    share: float = Field(description="of all errors")


class ErrorsAnswer(Answer):
    """Error rate, errors by type and recent errors. Cancelled calls do not count as errors."""

    requests: int
    errors: int
    error_rate: float | None
    granularity: Granularity
    points: list[ErrorPoint]
    kinds: list[ErrorKind] = Field(description="most frequent first")
    recent: list[EventRow] = Field(description="newest first, with message, user and feature")


async def errors(usage: UsageReader, *, params: ErrorsParams) -> ErrorsAnswer:
    """Return the error report: rates from rollups, recent errors from the call log."""
    scope = usage.scope
    granularity = resolve_granularity(scope, params.granularity)
    edges = series_edges(scope, granularity)
    failed = usage.narrowed(status=("error",))
    over_time, kinds, recent = await asyncio.gather(
        usage.sums((), _MEASURES, edges=edges),
        failed.sums(("provider", "error_type"), _MEASURES),
        newest_calls(failed, params.recent),
    )
    requests, error_count = (sum(row[name] for row in over_time) for name in _MEASURES)
    return ErrorsAnswer(
        **frame(scope),
        requests=requests,
        errors=error_count,
        error_rate=_rate(error_count, requests),
        granularity=granularity,
        points=_points(over_time, edges, scope),
        kinds=_kinds(kinds, error_count),
        recent=recent,
    )


def _points(rows: Sequence[Row], edges: Sequence[datetime], scope: Scope) -> list[ErrorPoint]:
    found = {row["bucket"]: (row["requests"], row["errors"]) for row in rows}
    points = []
    for edge in edges[:-1]:
        requests, error_count = found.get(milliseconds(edge), (0, 0))
        points.append(
            ErrorPoint(
                start=edge.astimezone(scope.zone),
                requests=requests,
                errors=error_count,
                error_rate=_rate(error_count, requests),
            )
        )
    return points


def _kinds(rows: Sequence[Row], total: int) -> list[ErrorKind]:
    ordered = sorted(rows, key=lambda row: (-row["errors"], row["provider"], row["error_type"]))
    return [
        ErrorKind(
            provider=row["provider"],
            error_type=row["error_type"],
            errors=row["errors"],
            share=round(row["errors"] / total, 6),
        )
        for row in ordered
        if row["errors"] > 0
    ]


def _rate(error_count: int, requests: int) -> float | None:
    return round(error_count / requests, 6) if requests else None
