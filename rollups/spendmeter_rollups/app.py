"""The query service as an ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware.cors import CORSMiddleware
from starlette_compress import CompressMiddleware

from spendmeter_clickhouse import Store
from spendmeter_rollups.api_keys import ApiKeys
from spendmeter_rollups.auth import AdminKey, Authenticator
from spendmeter_rollups.cache import AnswerCache
from spendmeter_rollups.metrics import ServiceMetrics
from spendmeter_rollups.middleware import Observed
from spendmeter_rollups.oidc import OidcTokens
from spendmeter_rollups.problems import describe_problems, install_problems
from spendmeter_rollups.rate_limit import RateLimit
from spendmeter_rollups.reader import Reader
from spendmeter_rollups.routes import audit, budgets, export, filters, health, rates, usage
from spendmeter_rollups.service import Service, utc_now
from spendmeter_rollups.settings import ServiceSettings


def create_app(
    *,
    store: Store,
    settings: ServiceSettings,
    registry: CollectorRegistry | None = None,
    authenticators: Sequence[Authenticator] = (),
    clock: Callable[[], datetime] = utc_now,
) -> FastAPI:
    """An app over `store`, which must be migrated. Its metrics go to `registry`.

    :param authenticators: asked after the key and the issuer of `settings`, and the stored API keys.
    """
    registry = registry or CollectorRegistry()
    reader = Reader(store.reader(), settings)
    service = Service(
        reader=reader,
        writer=store.session("service"),
        settings=settings,
        authenticators=(*_authenticators(reader, settings, clock), *authenticators),
        rate_limit=RateLimit(per_minute=settings.requests_per_minute),
        cache=AnswerCache(seconds=settings.answer_cache_seconds),
        clock=clock,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.reader.close()
        service.writer.close()

    app = FastAPI(
        title="Spendmeter",
        description="Who spends what on which LLM feature.",
        version="1",
        lifespan=lifespan,
        redoc_url=None,
    )
    app.state.service = service
    app.state.registry = registry
    install_problems(app)
    app.include_router(usage.router)
    app.include_router(export.router)
    app.include_router(filters.router)
    app.include_router(budgets.router)
    app.include_router(rates.router)
    app.include_router(audit.router)
    app.include_router(health.router)
    app.add_middleware(CompressMiddleware, minimum_size=1000)
    describe_problems(app)
    if settings.allowed_origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.allowed_origins, allow_headers=["Authorization"])
    app.add_middleware(Observed, metrics=ServiceMetrics(registry))
    return app


def _authenticators(
    reader: Reader, settings: ServiceSettings, clock: Callable[[], datetime]
) -> Iterator[Authenticator]:
    if settings.admin_key:
        yield AdminKey(settings.admin_key)
    yield ApiKeys(reader.session, clock=clock)
    if settings.oidc_issuer:
        yield OidcTokens(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            algorithms=settings.pinned_algorithms,
            org_claim=settings.oidc_org_claim,
            scope_claim=settings.oidc_scope_claim,
        )
