"""`/v1/usage/…`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from spendmeter_rollups.calls.error_report import ErrorsAnswer, ErrorsParams, errors
from spendmeter_rollups.calls.explained_call import ExplainedCall, explain_call
from spendmeter_rollups.calls.id_conflicts import ConflictsAnswer, id_conflicts
from spendmeter_rollups.calls.log import EventsAnswer, EventsParams, events
from spendmeter_rollups.calls.suspected_doubles import DoublesAnswer, PageParams, suspected_doubles
from spendmeter_rollups.calls.user_page import UserAnswer, UserParams, user_page
from spendmeter_rollups.forecast.month_end import ProjectionAnswer, projection
from spendmeter_rollups.http.audit_log import record_read
from spendmeter_rollups.http.service import RequestContextDep
from spendmeter_rollups.problems import ProblemAnswer
from spendmeter_rollups.query.params import ScopeParams, Value
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.views.breakdown import (
    BreakdownAnswer,
    BreakdownParams,
    CrossParams,
    breakdown,
    find_dimension,
    find_group,
)
from spendmeter_rollups.views.heatmap import HeatmapAnswer, heatmap
from spendmeter_rollups.views.models import ModelsAnswer, ModelsParams, models
from spendmeter_rollups.views.prompt_cache import CacheAnswer, prompt_cache
from spendmeter_rollups.views.summary import SummaryAnswer, SummaryParams, summary
from spendmeter_rollups.views.timeseries import GranularityParams, SeriesAnswer, SeriesParams, timeseries

UserId = Annotated[Value, Path(description="`system` for calls made without a user")]

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemAnswer, "description": text}
    for status, text in (
        (401, "missing, unknown, expired or revoked API key"),
        (403, "not allowed for this credential"),
        (413, "body larger than 64 KiB"),
        (414, "path or query string too long"),
        (422, "invalid parameter"),
        (429, "too many requests of this credential"),
        (503, "ClickHouse is unreachable, or the query exceeded its limits"),
    )
}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": ProblemAnswer, "description": "not found"}}

router = APIRouter(prefix="/v1/usage", tags=["usage"], responses=PROBLEMS)


@router.get("/summary", response_model=SummaryAnswer)
async def get_summary(params: Annotated[SummaryParams, Query()], context: RequestContextDep) -> Response:
    """Totals of the window, compared with the window before it or the same period before."""
    return await context.answer(params, partial(summary, params=params))


@router.get("/timeseries", response_model=SeriesAnswer)
async def get_timeseries(params: Annotated[SeriesParams, Query()], context: RequestContextDep) -> Response:
    """Cost, requests and tokens over time, in total or by a dimension; empty buckets are zero."""
    return await context.answer(params, partial(timeseries, params=params))


@router.get("/breakdown", response_model=BreakdownAnswer)
async def get_cross(params: Annotated[CrossParams, Query()], context: RequestContextDep) -> Response:
    """Usage by one dimension, or by the combinations of two, largest first."""
    found = find_group(params.group_by)
    return await context.answer(params, partial(breakdown, dimension=found, params=params))


@router.get("/breakdown/{dimension}", response_model=BreakdownAnswer, responses=UNKNOWN)
async def get_breakdown(
    dimension: str, params: Annotated[BreakdownParams, Query()], context: RequestContextDep
) -> Response:
    """Usage by one dimension, largest first, with totals."""
    found = find_dimension(dimension)
    return await context.answer(params, partial(breakdown, dimension=found, params=params))


@router.get("/models", response_model=ModelsAnswer)
async def get_models(params: Annotated[ModelsParams, Query()], context: RequestContextDep) -> Response:
    """Models with the highest cost: cost by kind of token, and cost against latency."""
    return await context.answer(params, partial(models, params=params))


@router.get("/heatmap", response_model=HeatmapAnswer)
async def get_heatmap(params: Annotated[ScopeParams, Query()], context: RequestContextDep) -> Response:
    """Usage by weekday and hour in the time zone `tz`."""
    return await context.answer(params, heatmap)


@router.get("/projection", response_model=ProjectionAnswer)
async def get_projection(params: Annotated[ScopeParams, Query()], context: RequestContextDep) -> Response:
    """Projected cost of the current month, with an 80 % prediction interval."""
    return await context.answer(params, projection)


@router.get("/cache", response_model=CacheAnswer)
async def get_cache(params: Annotated[GranularityParams, Query()], context: RequestContextDep) -> Response:
    """Savings of prompt caches, in total and over time."""
    return await context.answer(params, partial(prompt_cache, params=params))


@router.get("/errors", response_model=ErrorsAnswer)
async def get_errors(params: Annotated[ErrorsParams, Query()], context: RequestContextDep) -> Response:
    """Errors over time, by provider and type, and the recent ones."""
    return await context.answer(params, partial(errors, params=params))


@router.get("/events", response_model=EventsAnswer)
async def get_events(params: Annotated[EventsParams, Query()], context: RequestContextDep) -> Response:
    """The call log, newest first."""
    return await context.answer(params, partial(events, params=params))


@router.get("/events/{event_id}", response_model=ExplainedCall, responses=UNKNOWN)
async def get_event(event_id: UUID, context: RequestContextDep) -> Response:
    """One call: the arithmetic of its cost (units times rates, with row and source), and each adjustment since."""
    visible = context.credential.visible_orgs()
    return await context.encoded(explain_call(context.reader, event_id, visible))


@router.get("/duplicates", response_model=DoublesAnswer)
async def get_duplicates(params: Annotated[PageParams, Query()], context: RequestContextDep) -> Response:
    """Suspected double reports: calls with the same provider, usage and request id or time as another, newest first."""
    return await context.answer(params, partial(suspected_doubles, params=params))


@router.get("/conflicts", response_model=ConflictsAnswer)
async def get_conflicts(params: Annotated[PageParams, Query()], context: RequestContextDep) -> Response:
    """Events that are not counted, because a call with their id and other content was stored before; newest first."""
    return await context.answer(params, partial(id_conflicts, params=params))


# An id may contain slashes.
@router.get("/users/{user_id:path}", response_model=UserAnswer, responses=UNKNOWN)
async def get_user(user_id: UserId, params: Annotated[UserParams, Query()], context: RequestContextDep) -> Response:
    """One user: identity, totals, features, daily trend and recent calls. Each read is recorded in the audit log."""

    async def recorded(usage: UsageReader) -> UserAnswer:
        answer = await user_page(usage, user_id=user_id, params=params)
        # Record before answering: without an audit record there is no answer.
        await record_read(context, org_id=answer.user.org_id, user_id=user_id)
        return answer

    return await context.answer_uncached(params, recorded)
