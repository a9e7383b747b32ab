"""The shared state of the query service, and the context of one request."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.watermark import EVERYTHING
from spendmeter_rollups.access.admission import Admission, QueryLimits
from spendmeter_rollups.access.auth import Authenticator, Credential, authenticate
from spendmeter_rollups.access.rate_limit import RateLimit
from spendmeter_rollups.access.session_cookie import cookie_key
from spendmeter_rollups.access.sessions import SignInLinks
from spendmeter_rollups.budgets.rates import in_currency
from spendmeter_rollups.http.cache import AnswerCache, Cached
from spendmeter_rollups.http.compute import ComputeThread
from spendmeter_rollups.http.pages import link_header, next_page
from spendmeter_rollups.http.readiness import ReadinessCheck
from spendmeter_rollups.problems import too_much
from spendmeter_rollups.query.lookups import event_span, first_day
from spendmeter_rollups.query.named_values import check_values
from spendmeter_rollups.query.params import ScopeParams
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.query.scope import Scope, Span, resolve
from spendmeter_rollups.query.usage import UsageReader
from spendmeter_rollups.settings import ServiceSettings
from spendmeter_rollups.views.answers import Answer

_SLICE_BYTES: Final = 64 * 1024
_MAX_BYTES: Final = 16 * 2**20
"""Maximum size of one answer. The limits of each view are far lower; this is a safety net."""

_bearer: Final = HTTPBearer(auto_error=False, description="an API key, or a token of the OIDC issuer")

# Excluded from the ETag: fields that change with the clock while the data does not.
_CLOCK_FIELDS: Final[dict[str, Any]] = {
    "window": {"from_", "to"},
    "previous_window": True,
    "freshness": {"as_of", "lag_seconds"},
}


def utc_now() -> datetime:
    """Return the current time in milliseconds, the precision of events."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """State shared by all routes. `clock` is a seam for tests."""

    reader: Reader
    writer: Session
    """Session of the writing login, for definitions (rates, budgets, keys); never for usage."""
    settings: ServiceSettings
    authenticators: Sequence[Authenticator]
    rate_limit: RateLimit
    cache: AnswerCache
    admission: Admission
    query_limits: QueryLimits
    compute: ComputeThread
    readiness: ReadinessCheck
    links: SignInLinks
    clock: Callable[[], datetime] = utc_now

    def close(self) -> None:
        """Cancel running computations and wait for running queries."""
        self.compute.close()
        for part in (self.reader, self.writer, self.readiness, *self.authenticators):
            if hasattr(part, "close"):
                part.close()

    async def scope(self, params: ScopeParams, credential: Credential) -> Scope:
        """Resolve `params` for `credential` at the current time. Raises `Problem`."""
        return await self.scope_of(params, credential.visible_orgs())

    async def scope_of(self, params: ScopeParams, visible: tuple[str, ...] | None) -> Scope:
        """Resolve `params` at the current time, restricted to the orgs `visible` (None: all). Raises `Problem`."""
        span = await self._span(visible)
        resolved = resolve(params, now=self.clock(), visible_orgs=visible, span=span)
        scope = await check_values(self.reader, resolved)
        return await in_currency(self.reader, params.currency, scope)

    async def _span(self, visible: tuple[str, ...] | None) -> Span:
        # Read for every answer: the planner assumes that no event is later than the newest one.
        (row,) = await self.reader.rows(event_span(visible))
        if not row["events"]:
            return Span()
        raw_from, first = datetime.combine(row["raw_from"], time.min, UTC), row["first"]
        if visible is None and row["raw_from"] > EVERYTHING:
            first = (await self.reader.rows(first_day()))[0]["first"]
        stored, newest = row["stored"], row["newest"]
        if not stored.timestamp():
            # Filled without a worker.
            stored = newest
        elif visible is not None:
            # Times at which calls of other orgs were stored must not be visible to an org.
            stored = min(stored, newest)
        return Span(first=first, newest=newest, raw_from=raw_from, stored=stored)


async def service_of(request: Request) -> Service:
    """Return the service of an app. A coroutine, because FastAPI runs plain functions in a thread pool."""
    service: Service = request.app.state.service
    return service


Token = HTTPAuthorizationCredentials | None
ServiceDep = Annotated[Service, Depends(service_of)]
TokenDep = Annotated[Token, Depends(_bearer)]


async def credential_of(request: Request, service: ServiceDep, token: TokenDep) -> Credential:
    """Authenticate the request by its token or else its session. Raises `Problem`: 401, 403 for a change that another
    site caused, or 429 above the credential's request rate."""
    key = token.credentials if token else cookie_key(request, service.clock())
    credential = await authenticate(service.authenticators, key)
    await service.rate_limit.count(credential)
    return credential


CredentialDep = Annotated[Credential, Depends(credential_of)]


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One authenticated request."""

    request: Request
    service: Service
    credential: Credential

    @property
    def reader(self) -> Reader:
        """A reader with this credential's limits."""
        turn = self.service.query_limits.of((self.credential.name, self.credential.org_id))
        return self.service.reader.within(self.credential.limits, turn)

    @property
    def request_id(self) -> str:
        """The id in the log and in the X-Request-ID header."""
        return str(self.request.state.request_id)

    async def scope(self, params: ScopeParams) -> Scope:
        """Resolve `params` for this caller at the current time. Raises `Problem`."""
        return await self.service.scope(params, self.credential)

    async def usage(self, params: ScopeParams) -> UsageReader:
        """Return the usage that `params` select, within this credential's limits. Raises `Problem`."""
        return UsageReader(self.reader, await self.scope(params))

    async def answer(self, params: ScopeParams, compute: Callable[[UsageReader], Awaitable[Answer]]) -> Response:
        """Return the answer, cached or computed; 304 if the client's ETag is current."""

        async def fresh() -> Cached:
            return await self.service.compute.run(self._computed(params, compute))

        return self._respond(await self.service.cache.get(self._cache_key(), fresh))

    async def answer_uncached(
        self, params: ScopeParams, compute: Callable[[UsageReader], Awaitable[Answer]]
    ) -> Response:
        """Compute the answer without the cache, for reads that must each be audited."""
        return self._respond(await self.service.compute.run(self._computed(params, compute)))

    async def encoded(
        self, work: Coroutine[Any, Any, BaseModel], *, params: BaseModel | None = None, status_code: int = 200
    ) -> Response:
        """Run `work` and encode its result on the compute thread. Not cached, no ETag. `params` are those of a page."""

        async def computed() -> tuple[bytes, Mapping[str, str]]:
            answer = await work
            return answer.model_dump_json().encode(), next_page(params, answer) if params else {}

        body, following = await self.service.compute.run(computed())
        links = link_header(self.request.query_params.multi_items(), following)
        return Response(body, status_code=status_code, media_type="application/json", headers=links)

    async def _computed(self, params: ScopeParams, compute: Callable[[UsageReader], Awaitable[Answer]]) -> Cached:
        answer = await compute(await self.usage(params))
        return _encode(answer, next_page(params, answer))

    def _respond(self, cached: Cached) -> Response:
        headers = {"ETag": cached.etag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
        headers |= link_header(self.request.query_params.multi_items(), cached.next_page)
        if cached.etag in self.request.headers.get("if-none-match", "").split(", "):
            return Response(status_code=304, headers=headers)
        return _response(cached.body, headers)

    def _cache_key(self) -> Hashable:
        # A tuple, not a joined string: credential names and parameters are untrusted and could collide.
        credential = (self.credential.name, self.credential.org_id, self.credential.scopes)
        parameters = tuple(sorted(self.request.query_params.multi_items()))
        return credential, self.request.url.path, parameters


def _response(body: bytes, headers: dict[str, str]) -> Response:
    """Send a large body in slices: compressing it at once would block the event loop."""
    if len(body) <= _SLICE_BYTES:
        return Response(body, media_type="application/json", headers=headers)
    return StreamingResponse(_sliced(body), media_type="application/json", headers=headers)


async def _sliced(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _SLICE_BYTES):
        yield body[start : start + _SLICE_BYTES]
        # Yield to other requests: neither the compression nor a fast client's socket awaits anything.
        await asyncio.sleep(0)


def _encode(answer: Answer, following: Mapping[str, str]) -> Cached:
    body = answer.model_dump_json().encode()
    if len(body) > _MAX_BYTES:
        raise too_much(
            f"the answer has {len(body)} bytes, more than {_MAX_BYTES}: request a shorter window or fewer rows"
        )
    data = answer.model_dump_json(exclude=_CLOCK_FIELDS)
    tag = hashlib.sha256(data.encode()).hexdigest()[:32]
    return Cached(body, f'W/"{tag}"', following)


async def request_context(
    request: Request, service: ServiceDep, credential: CredentialDep
) -> AsyncIterator[RequestContext]:
    """Admit the request until its response is sent. Raises `Problem` (429, 503) above the concurrency limits."""
    with service.admission.admit(credential):
        yield RequestContext(request, service, credential)


RequestContextDep = Annotated[RequestContext, Depends(request_context)]
