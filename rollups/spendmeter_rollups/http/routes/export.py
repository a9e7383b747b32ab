"""`/v1/usage/export/…`: complete views as CSV."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from spendmeter_rollups.calls.log import LogParams
from spendmeter_rollups.export.export import Export, export_breakdown, export_events, export_timeseries
from spendmeter_rollups.http.compute import ComputeThread
from spendmeter_rollups.http.routes.usage import PROBLEMS, UNKNOWN
from spendmeter_rollups.http.service import RequestContext, RequestContextDep
from spendmeter_rollups.query.params import ScopeParams
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.views.breakdown import SortedCrossParams, SortedParams, find_dimension, find_group
from spendmeter_rollups.views.timeseries import SeriesParams

_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}

router = APIRouter(
    prefix="/v1/usage/export", tags=["export"], responses=PROBLEMS | _CSV, default_response_class=StreamingResponse
)


@router.get("/events")
async def get_events_csv(params: Annotated[LogParams, Query()], context: RequestContextDep) -> StreamingResponse:
    """Every call of the window, newest first."""
    return await _streamed(context, params, partial(export_events, params=params))


@router.get("/timeseries")
async def get_timeseries_csv(params: Annotated[SeriesParams, Query()], context: RequestContextDep) -> StreamingResponse:
    """Usage over time, in total or by a dimension."""
    return await _streamed(context, params, partial(export_timeseries, params=params))


@router.get("/breakdown")
async def get_cross_csv(params: Annotated[SortedCrossParams, Query()], context: RequestContextDep) -> StreamingResponse:
    """Every row of a breakdown by one or two dimensions, by key or in the order of any column."""
    found = find_group(params.group_by)
    return await _streamed(context, params, partial(export_breakdown, dimension=found, params=params))


@router.get("/{dimension}", responses=UNKNOWN)
async def get_breakdown_csv(
    dimension: str, params: Annotated[SortedParams, Query()], context: RequestContextDep
) -> StreamingResponse:
    """Every row of a breakdown, by key or in the order of any column."""
    found = find_dimension(dimension)
    return await _streamed(context, params, partial(export_breakdown, dimension=found, params=params))


async def _streamed(
    context: RequestContext, params: ScopeParams, make: Callable[[UsageReader], Export]
) -> StreamingResponse:
    async def prepare() -> Export:
        return make(await context.usage(params))

    compute = context.service.compute
    export = await compute.run(prepare())
    chunks = export.chunks()
    # Compute the first chunk before sending headers: an early error becomes a problem answer, not a truncated file.
    first = await compute.run(_next(chunks))
    return StreamingResponse(
        _chained(compute, first, chunks),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{export.file_name}"', "Cache-Control": "no-store"},
    )


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


async def _chained(compute: ComputeThread, first: bytes | None, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    chunk = first
    while chunk is not None:
        yield chunk
        chunk = await compute.run(_next(rest))
