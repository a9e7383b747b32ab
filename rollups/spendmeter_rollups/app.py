"""The ASGI app of the query service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from fastapi import Depends, FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware.cors import CORSMiddleware
from starlette_compress import CompressMiddleware

from spendmeter_clickhouse import Store
from spendmeter_rollups.access.admission import Admission, QueryLimits
from spendmeter_rollups.access.api_keys import ApiKeys
from spendmeter_rollups.access.auth import AdminKey, Authenticator
from spendmeter_rollups.access.oidc import OidcTokens
from spendmeter_rollups.access.rate_limit import RateLimit
from spendmeter_rollups.access.sessions import SignInLinks
from spendmeter_rollups.calls.book_prices import PriceDesk
from spendmeter_rollups.collect import event_routes, litellm_routes, trace_routes
from spendmeter_rollups.collect.batch_result import RecentEvents, RecentKeys
from spendmeter_rollups.collect.event_bodies import MOST_EVENT_BODY_BYTES, MOST_LOG_BODY_BYTES
from spendmeter_rollups.collect.event_publisher import EventPublisher, PublisherReadiness
from spendmeter_rollups.collect.metrics import CollectorMetrics
from spendmeter_rollups.http.bounds import BoundedRequests
from spendmeter_rollups.http.cache import AnswerCache
from spendmeter_rollups.http.compute import ComputeThread
from spendmeter_rollups.http.head_requests import HeadRequests
from spendmeter_rollups.http.headers import SecurityHeaders
from spendmeter_rollups.http.metrics import ServiceMetrics
from spendmeter_rollups.http.middleware import RequestLogMiddleware
from spendmeter_rollups.http.readiness import Readiness
from spendmeter_rollups.http.routes import (
    alerts,
    api_keys,
    audit,
    budgets,
    directory,
    documentation,
    export,
    filters,
    health,
    rates,
    runbooks,
    session,
    usage,
    used_prices,
)
from spendmeter_rollups.http.service import Service, utc_now
from spendmeter_rollups.http.trailing_slash import TrailingSlash
from spendmeter_rollups.page import routes as page
from spendmeter_rollups.problems import describe_problems, install_problems, refuse_repeated
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.settings import ServiceSettings

_DOORS: Final = (event_routes, trace_routes, litellm_routes)
_LARGER: Final = {
    "/v1/events": MOST_EVENT_BODY_BYTES,
    "/v1/traces": MOST_LOG_BODY_BYTES,
    "/v1/litellm": MOST_LOG_BODY_BYTES,
}
"""Path → maximum size of its body."""


def create_app(
    *,
    store: Store,
    settings: ServiceSettings,
    registry: CollectorRegistry | None = None,
    authenticators: Sequence[Authenticator] = (),
    clock: Callable[[], datetime] = utc_now,
    failures: Callable[[], Mapping[str, str]] = dict,
    links: SignInLinks | None = None,
    publisher: EventPublisher | None = None,
    price_desk: PriceDesk | None = None,
) -> FastAPI:
    """Create an app over `store`, which must be migrated. Metrics are registered in `registry`.

    :param authenticators: tried after those of `settings` and the stored API keys.
    :param failures: failed parts of this process, name → reason; `/readyz` returns 503 with them.
    :param links: secrets that sign in to the page once.
    :param publisher: started; adds the collector's routes.
    :param price_desk: the price book; without it, `/v1/prices` only has the rates of stored calls.
    """
    service = _service(store, settings, authenticators, clock, links or SignInLinks())
    routes = (
        usage,
        used_prices,
        export,
        filters,
        budgets,
        rates,
        alerts,
        directory,
        api_keys,
        audit,
        session,
        health,
        documentation,
        runbooks,
        page,
    )
    app = _app(service, registry or CollectorRegistry(), (*routes, *_DOORS) if publisher else routes)
    app.state.failures = failures
    app.state.price_desk = price_desk
    if publisher is not None:
        _collect_with(app, publisher)
    return app


def create_collector(
    *,
    store: Store,
    settings: ServiceSettings,
    publisher: EventPublisher,
    registry: CollectorRegistry | None = None,
) -> FastAPI:
    """Create the app of a separate collector: events, health and metrics. `store` has the API keys."""
    service = replace(_service(store, settings, (), utc_now, SignInLinks()), readiness=PublisherReadiness(publisher))
    app = _app(service, registry or CollectorRegistry(), (*_DOORS, health))
    app.state.failures = dict
    _collect_with(app, publisher)
    return app


def _collect_with(app: FastAPI, publisher: EventPublisher) -> None:
    app.state.publisher = publisher
    app.state.recent_events = RecentEvents()
    app.state.recent_outer_spans = RecentKeys()
    app.state.collector_metrics = CollectorMetrics(app.state.registry)


def _app(service: Service, registry: CollectorRegistry, routes: Sequence[Any]) -> FastAPI:
    settings = service.settings
    app = FastAPI(
        title="Spendmeter",
        description="LLM usage and spend by org, user, feature and model.",
        version="1",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        # Slash redirects are built from the Host header, which the client controls.
        redirect_slashes=False,
        dependencies=[Depends(refuse_repeated)],
    )
    app.state.service = service
    app.state.registry = registry
    install_problems(app)
    for module in routes:
        app.include_router(module.router)
    describe_problems(app)
    app.add_middleware(CompressMiddleware, minimum_size=1000)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_headers=["Authorization"],
            expose_headers=["ETag", "Link", "Retry-After", "X-Request-ID"],
        )
    app.add_middleware(HeadRequests)
    app.add_middleware(TrailingSlash)
    app.add_middleware(BoundedRequests, larger=_LARGER)
    app.add_middleware(RequestLogMiddleware, metrics=ServiceMetrics(registry))
    app.add_middleware(SecurityHeaders, hsts_seconds=settings.hsts_seconds)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.service.close()


def _service(
    store: Store,
    settings: ServiceSettings,
    authenticators: Sequence[Authenticator],
    clock: Callable[[], datetime],
    links: SignInLinks,
) -> Service:
    reader = Reader(store.reader(), settings)
    return Service(
        reader=reader,
        writer=store.session("service"),
        settings=settings,
        authenticators=(*_authenticators(store, settings, clock), *authenticators),
        rate_limit=RateLimit(per_minute=settings.requests_per_minute),
        cache=AnswerCache(seconds=settings.answer_cache_seconds, most_bytes=settings.answer_cache_bytes),
        admission=Admission(per_credential=settings.requests_at_once, overall=settings.requests_at_once_overall),
        query_limits=QueryLimits(per_credential=settings.queries_at_once),
        compute=ComputeThread(),
        readiness=Readiness(Reader(store.reader(size=1), settings)),
        links=links,
        clock=clock,
    )


def _authenticators(store: Store, settings: ServiceSettings, clock: Callable[[], datetime]) -> Iterator[Authenticator]:
    if settings.admin_key:
        yield AdminKey(settings.admin_key)
    # The read-only login of queries has no access to API keys, so the writing login reads them, in its own session:
    # authentication must not wait for writes.
    yield ApiKeys(store.session("keys"), clock=clock)
    if settings.oidc_issuer:
        yield OidcTokens(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            algorithms=settings.pinned_algorithms,
            org_claim=settings.oidc_org_claim,
            scope_claim=settings.oidc_scope_claim,
        )
