"""What a running query service holds, and how one request is answered with it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from spendmeter_clickhouse import Session
from spendmeter_rollups.access.admission import Admission, Turns
from spendmeter_rollups.access.auth import Authenticator, Credential, authenticate
from spendmeter_rollups.access.rate_limit import RateLimit
from spendmeter_rollups.budgets.rates import find_rate
from spendmeter_rollups.http.cache import AnswerCache, Cached
from spendmeter_rollups.http.compute import ComputeThread
from spendmeter_rollups.http.readiness import Readiness
from spendmeter_rollups.problems import too_much
from spendmeter_rollups.query.lookups import event_span
from spendmeter_rollups.query.params import ScopeParams
from spendmeter_rollups.query.reader import Reader
from spendmeter_rollups.query.scope import Scope, Span, resolve
from spendmeter_rollups.settings import ServiceSettings
from spendmeter_rollups.views.answers import Answer

_SLICE_BYTES: Final = 64 * 1024
_MOST_BYTES: Final = 16 * 2**20
"""Of one answer. The limits of each view keep far below; this one is for what they do not foresee."""

_bearer: Final = HTTPBearer(auto_error=False, description="an API key, or a token of the OIDC issuer")

# What moves with the clock alone says nothing about whether the figures changed.
_CLOCKED: Final[dict[str, Any]] = {
    "window": {"from_", "to"},
    "previous_window": True,
    "freshness": {"as_of", "lag_seconds"},
}


def utc_now() -> datetime:
    """The clock, to the millisecond, as events are."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything the routes share. `clock` is a seam for tests."""

    reader: Reader
    writer: Session
    """The writing login, for definitions (rates, budgets, keys); never for usage."""
    settings: ServiceSettings
    authenticators: Sequence[Authenticator]
    rate_limit: RateLimit
    cache: AnswerCache
    admission: Admission
    turns: Turns
    compute: ComputeThread
    readiness: Readiness
    clock: Callable[[], datetime] = utc_now

    def close(self) -> None:
        """Cancel what is computed, and wait for the queries under way."""
        self.compute.close()
        for part in (self.reader, self.writer, self.readiness, *self.authenticators):
            if hasattr(part, "close"):
                part.close()

    async def scope(self, params: ScopeParams, credential: Credential) -> Scope:
        """What `params` mean for `credential` now. Raises `Problem`."""
        return await self.scope_of(params, credential.visible_orgs())

    async def scope_of(self, params: ScopeParams, visible: tuple[str, ...] | None) -> Scope:
        """What `params` mean now for whoever may see the orgs `visible`; None is every one. Raises `Problem`."""
        span = await self._span(visible)
        scope = resolve(params, now=self.clock(), visible_orgs=visible, span=span)
        return scope.at_rate(await find_rate(self.reader, params.currency, scope))

    async def _span(self, visible: tuple[str, ...] | None) -> Span:
        # Read anew for every answer: the planner relies on there being no event after the newest one.
        (row,) = await self.reader.rows(event_span(visible))
        if not row["events"]:
            return Span()
        raw_from = datetime.combine(row["raw_from"], time.min, UTC)
        return Span(first=row["first"], newest=row["newest"], raw_from=raw_from)


async def service_of(request: Request) -> Service:
    """The service behind an app. A coroutine, for FastAPI calls any other function in a thread."""
    service: Service = request.app.state.service
    return service


Token = HTTPAuthorizationCredentials | None
ServiceDep = Annotated[Service, Depends(service_of)]
TokenDep = Annotated[Token, Depends(_bearer)]


async def credential_of(service: ServiceDep, token: TokenDep) -> Credential:
    """Who asks. Raises `Problem`: 401, or 429 for one that asks too often."""
    credential = await authenticate(service.authenticators, token.credentials if token else None)
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
        """Reads within this credential's limits."""
        turn = self.service.turns.of((self.credential.name, self.credential.org_id))
        return self.service.reader.within(self.credential.limits, turn)

    @property
    def request_id(self) -> str:
        """The id that the log and the answer's header name."""
        return str(self.request.state.request_id)

    async def scope(self, params: ScopeParams) -> Scope:
        """What `params` mean for this caller now. Raises `Problem`."""
        return await self.service.scope(params, self.credential)

    async def answer(self, params: ScopeParams, compute: Callable[[Reader, Scope], Awaitable[Answer]]) -> Response:
        """The computed answer, or a recent one to the same question; 304 where the asker has the same figures."""

        async def fresh() -> Cached:
            return await self.service.compute.run(self._computed(params, compute))

        return self._respond(await self.service.cache.get(self._question(), fresh))

    async def answer_uncached(
        self, params: ScopeParams, compute: Callable[[Reader, Scope], Awaitable[Answer]]
    ) -> Response:
        """Like `answer`, but computed for every request: for what is recorded each time that it is read."""
        return self._respond(await self.service.compute.run(self._computed(params, compute)))

    async def encoded(self, work: Coroutine[Any, Any, BaseModel], *, status_code: int = 200) -> Response:
        """What `work` answers, encoded where it is computed. Not kept, and without a tag."""

        async def computed() -> bytes:
            return (await work).model_dump_json().encode()

        body = await self.service.compute.run(computed())
        return Response(body, status_code=status_code, media_type="application/json")

    async def _computed(self, params: ScopeParams, compute: Callable[[Reader, Scope], Awaitable[Answer]]) -> Cached:
        return _encode(await compute(self.reader, await self.scope(params)))

    def _respond(self, cached: Cached) -> Response:
        headers = {"ETag": cached.etag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
        if cached.etag in self.request.headers.get("if-none-match", "").split(", "):
            return Response(status_code=304, headers=headers)
        return _sent(cached.body, headers)

    def _question(self) -> Hashable:
        # A tuple, so that no part can be made to look like another: names come from tokens, parameters from anyone.
        who = (self.credential.name, self.credential.org_id, self.credential.scopes)
        asked = tuple(sorted(self.request.query_params.multi_items()))
        return who, self.request.url.path, asked


def _sent(body: bytes, headers: dict[str, str]) -> Response:
    """The answer; a large one in slices, because to compress it at once takes as long as a thousand small answers."""
    if len(body) <= _SLICE_BYTES:
        return Response(body, media_type="application/json", headers=headers)
    return StreamingResponse(_sliced(body), media_type="application/json", headers=headers)


async def _sliced(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _SLICE_BYTES):
        yield body[start : start + _SLICE_BYTES]
        # Others have their turn here, for neither the compression nor a fast client's socket waits for anything.
        await asyncio.sleep(0)


def _encode(answer: Answer) -> Cached:
    body = answer.model_dump_json().encode()
    if len(body) > _MOST_BYTES:
        raise too_much(
            f"the answer has {len(body)} bytes, more than {_MOST_BYTES}: ask for a shorter window or fewer rows"
        )
    figures = answer.model_dump_json(exclude=_CLOCKED)
    tag = hashlib.sha256(figures.encode()).hexdigest()[:32]
    return Cached(body, f'W/"{tag}"')


async def request_context(
    request: Request, service: ServiceDep, credential: CredentialDep
) -> AsyncIterator[RequestContext]:
    """The context, admitted until its answer is sent. Raises `Problem` (429, 503) where too many are under way."""
    with service.admission.admit(credential):
        yield RequestContext(request, service, credential)


RequestContextDep = Annotated[RequestContext, Depends(request_context)]
