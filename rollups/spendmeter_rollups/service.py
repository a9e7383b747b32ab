"""What a running query service holds, and how one request is answered with it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from spendmeter_clickhouse import Session
from spendmeter_rollups.answers import Answer
from spendmeter_rollups.auth import Authenticator, Credential, authenticate
from spendmeter_rollups.cache import AnswerCache, Cached
from spendmeter_rollups.params import ScopeParams
from spendmeter_rollups.queries.lookups import event_span
from spendmeter_rollups.rate_limit import RateLimit
from spendmeter_rollups.rates import find_rate
from spendmeter_rollups.reader import Reader
from spendmeter_rollups.scope import Scope, Span, resolve
from spendmeter_rollups.settings import ServiceSettings

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
    clock: Callable[[], datetime] = utc_now

    async def scope(self, params: ScopeParams, credential: Credential) -> Scope:
        """What `params` mean for `credential` now. Raises `Problem`."""
        visible = credential.visible_orgs()
        span = await self._span(visible)
        scope = resolve(params, now=self.clock(), visible_orgs=visible, span=span)
        return scope.at_rate(await find_rate(self.reader, params.currency, scope))

    async def _span(self, visible: tuple[str, ...] | None) -> Span:
        # Read anew for every answer: the planner relies on there being no event after the newest one.
        (row,) = await self.reader.rows(event_span(visible))
        if not row["events"]:
            return Span()
        return Span(first=row["first"], newest=row["newest"])


def service_of(request: Request) -> Service:
    """The service behind an app."""
    service: Service = request.app.state.service
    return service


async def credential_of(
    service: Annotated[Service, Depends(service_of)],
    token: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Credential:
    """Who asks. Raises `Problem`: 401, or 429 for one that asks too often."""
    credential = await authenticate(service.authenticators, token.credentials if token else None)
    await service.rate_limit.count(credential)
    return credential


@dataclass(frozen=True, slots=True)
class Exchange:
    """One authenticated request."""

    request: Request
    service: Annotated[Service, Depends(service_of)]
    credential: Annotated[Credential, Depends(credential_of)]

    @property
    def reader(self) -> Reader:
        """Reads within this credential's limits."""
        return self.service.reader.within(self.credential.limits)

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
            return await self._computed(params, compute)

        return self._respond(await self.service.cache.get(self._question(), fresh))

    async def unkept(self, params: ScopeParams, compute: Callable[[Reader, Scope], Awaitable[Answer]]) -> Response:
        """Like `answer`, but computed for every request: for what is recorded each time that it is read."""
        return self._respond(await self._computed(params, compute))

    async def _computed(self, params: ScopeParams, compute: Callable[[Reader, Scope], Awaitable[Answer]]) -> Cached:
        return _encode(await compute(self.reader, await self.scope(params)))

    def _respond(self, cached: Cached) -> Response:
        headers = {"ETag": cached.etag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
        if cached.etag in self.request.headers.get("if-none-match", "").split(", "):
            return Response(status_code=304, headers=headers)
        return Response(cached.body, media_type="application/json", headers=headers)

    def _question(self) -> Hashable:
        # A tuple, so that no part can be made to look like another: names come from tokens, parameters from anyone.
        who = (self.credential.name, self.credential.org_id, self.credential.scopes)
        asked = tuple(sorted(self.request.query_params.multi_items()))
        return who, self.request.url.path, asked


def _encode(answer: Answer) -> Cached:
    figures = answer.model_dump_json(exclude=_CLOCKED)
    tag = hashlib.sha256(figures.encode()).hexdigest()[:32]
    return Cached(answer.model_dump_json().encode(), f'W/"{tag}"')


ServiceDep = Annotated[Service, Depends(service_of)]
CredentialDep = Annotated[Credential, Depends(credential_of)]
ExchangeDep = Annotated[Exchange, Depends()]
