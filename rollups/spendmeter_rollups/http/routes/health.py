"""Liveness, readiness and metrics. No key is needed, except for metrics with tenants' names."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from spendmeter_clickhouse import StoreError
from spendmeter_clickhouse.exposition import CONTENT_TYPE, bears, exposition
from spendmeter_clickhouse.scopes import PLATFORM_READ
from spendmeter_rollups.http.service import Service, ServiceDep, Token, TokenDep, credential_of
from spendmeter_rollups.problems import Problem, ProblemAnswer

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Health status."""

    status: str = "ok"


@router.get("/healthz")
async def get_health() -> Health:
    """Liveness: the process responds."""
    return Health()


@router.get("/readyz", responses={503: {"model": ProblemAnswer}})
async def get_ready(service: ServiceDep, request: Request) -> Health:
    """Readiness: ClickHouse is reachable and migrated; in the embedded stack, every background task runs."""
    if failures := request.app.state.failures():
        detail = "; ".join(f"{name}: {reason}" for name, reason in failures.items())
        raise Problem(status=503, kind="not-ready", title="Not ready", detail=detail)
    try:
        await service.readiness.check()
    except StoreError as error:
        raise Problem(
            status=503, kind="not-ready", title="Not ready", detail="ClickHouse is unreachable or not migrated"
        ) from error
    return Health()


@router.get("/metrics", response_class=Response, responses={401: {"model": ProblemAnswer}})
async def get_metrics(request: Request, service: ServiceDep, token: TokenDep) -> Response:
    """Prometheus text format. Series with tenants' names require `platform:read` or SPENDMETER_METRICS_TOKEN."""
    registry: CollectorRegistry = request.app.state.registry
    tenants = await _sees_tenants(request, service, token)
    # Rendering thousands of series would block the event loop.
    return Response(await asyncio.to_thread(exposition, registry, tenants=tenants), media_type=CONTENT_TYPE)


async def _sees_tenants(request: Request, service: Service, token: Token) -> bool:
    if bears(request.headers.get("authorization"), service.settings.metrics_token):
        return True
    if token is None:
        return False
    return PLATFORM_READ in (await credential_of(request, service, token)).scopes
