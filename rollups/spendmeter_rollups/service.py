"""What a running query service holds, and how a request gets its scope from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from spendmeter_rollups.auth import Authenticator, Credential, authenticate
from spendmeter_rollups.money import Rate
from spendmeter_rollups.params import ScopeParams
from spendmeter_rollups.queries.lookups import event_span
from spendmeter_rollups.reader import Reader
from spendmeter_rollups.scope import Scope, Span, resolve
from spendmeter_rollups.settings import ServiceSettings

_bearer = HTTPBearer(auto_error=False, description="an API key")


def utc_now() -> datetime:
    """The clock, to the millisecond, as events are."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything the routes share. `clock` is a seam for tests."""

    reader: Reader
    settings: ServiceSettings
    authenticators: Sequence[Authenticator]
    clock: Callable[[], datetime] = utc_now

    async def scope(self, params: ScopeParams, credential: Credential) -> Scope:
        """What `params` mean for `credential` now. Raises `Problem`."""
        visible = credential.visible_orgs()
        span = await self._span(visible)
        return resolve(params, now=self.clock(), visible_orgs=visible, span=span, rate=Rate())

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
    request: Request,
    service: Annotated[Service, Depends(service_of)],
    token: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Credential:
    """Who asks. Raises `Problem` (401)."""
    credential = await authenticate(service.authenticators, token.credentials if token else None)
    request.state.credential = credential
    return credential


ServiceDep = Annotated[Service, Depends(service_of)]
CredentialDep = Annotated[Credential, Depends(credential_of)]
