"""Whether the service lives, and whether it can answer; and its metrics. These need no key."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel

from spendmeter_clickhouse import StoreError
from spendmeter_rollups.problems import Problem, ProblemAnswer
from spendmeter_rollups.queries.lookups import event_span
from spendmeter_rollups.service import ServiceDep

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Says ok."""

    status: str = "ok"


@router.get("/healthz")
async def get_health() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz", responses={503: {"model": ProblemAnswer}})
async def get_ready(service: ServiceDep, request: Request) -> Health:
    """The store answers, and has its tables; in the embedded stack every background task runs."""
    if failures := request.app.state.failures():
        detail = "; ".join(f"{name}: {reason}" for name, reason in failures.items())
        raise Problem(status=503, kind="not-ready", title="Not ready", detail=detail)
    try:
        await service.reader.rows(event_span(None))
    except StoreError as error:
        raise Problem(
            status=503, kind="not-ready", title="Not ready", detail="the store does not answer yet"
        ) from error
    return Health()


@router.get("/metrics", response_class=Response)
async def get_metrics(request: Request) -> Response:
    """Prometheus text format."""
    registry: CollectorRegistry = request.app.state.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
