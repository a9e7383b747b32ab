"""`/v1/usage/…`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from spendmeter_rollups.breakdown import BreakdownAnswer, BreakdownParams, breakdown, find_dimension
from spendmeter_rollups.log import EventsAnswer, EventsParams, events
from spendmeter_rollups.params import ScopeParams
from spendmeter_rollups.problems import ProblemAnswer
from spendmeter_rollups.service import CredentialDep, ServiceDep
from spendmeter_rollups.summary import SummaryAnswer, summary
from spendmeter_rollups.timeseries import SeriesAnswer, SeriesParams, timeseries

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemAnswer, "description": text}
    for status, text in (
        (401, "no known key"),
        (403, "not this credential's"),
        (422, "a parameter that cannot be used"),
        (503, "the store does not answer, or not within its limits"),
    )
}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": ProblemAnswer, "description": "no such thing"}}

router = APIRouter(prefix="/v1/usage", tags=["usage"], responses=PROBLEMS)


@router.get("/summary")
async def get_summary(
    params: Annotated[ScopeParams, Query()], service: ServiceDep, credential: CredentialDep
) -> SummaryAnswer:
    """Key figures of the window and of the equal window before it."""
    return await summary(service.reader, await service.scope(params, credential))


@router.get("/timeseries")
async def get_timeseries(
    params: Annotated[SeriesParams, Query()], service: ServiceDep, credential: CredentialDep
) -> SeriesAnswer:
    """Cost, requests and tokens over time, whole or by a dimension; empty buckets are zero."""
    return await timeseries(service.reader, await service.scope(params, credential), params)


@router.get("/breakdown/{dimension}", responses=UNKNOWN)
async def get_breakdown(
    dimension: str,
    params: Annotated[BreakdownParams, Query()],
    service: ServiceDep,
    credential: CredentialDep,
) -> BreakdownAnswer:
    """Usage by one dimension, largest first, with totals."""
    cut = find_dimension(dimension)
    return await breakdown(service.reader, await service.scope(params, credential), cut, params)


@router.get("/events")
async def get_events(
    params: Annotated[EventsParams, Query()], service: ServiceDep, credential: CredentialDep
) -> EventsAnswer:
    """The log of calls, newest first."""
    return await events(service.reader, await service.scope(params, credential), params)
