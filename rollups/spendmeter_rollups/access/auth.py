"""Authentication and authorization.

An authenticator resolves a bearer token to a `Credential`, or returns None for an unknown token. The service tries its
authenticators in order: the administrator's key, API keys (`api_keys`), tokens of an OIDC issuer (`oidc`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from spendmeter_clickhouse.scopes import EVENTS_WRITE, ORG_READ, PLATFORM_READ, PLATFORM_WRITE
from spendmeter_rollups.problems import forbidden, unauthorized


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one credential. 0 means the service's default."""

    requests_per_minute: int = 0
    query_seconds: int = 0
    query_memory_bytes: int = 0
    query_rows: int = 0


@dataclass(frozen=True, slots=True)
class Credential:
    """An authenticated caller. `org_id` is set for callers restricted to one org."""

    name: str
    scopes: frozenset[str]
    org_id: str | None = None
    limits: Limits = Limits()
    expires_at: datetime | None = None
    """End of an API key, which bounds the keys that it creates."""

    def orgs(self) -> tuple[str, ...] | None:
        """Return the orgs this caller may see, possibly none; None means all."""
        if PLATFORM_READ in self.scopes:
            return None
        return (self.org_id,) if ORG_READ in self.scopes and self.org_id is not None else ()

    def visible_orgs(self) -> tuple[str, ...] | None:
        """Return the orgs this caller may see; None means all. Raises `Problem` (403) if there are none."""
        orgs = self.orgs()
        if orgs == ():
            raise forbidden(f"this credential lacks the scope {PLATFORM_READ} or {ORG_READ}")
        return orgs

    def managed_org(self) -> str | None:
        """Return the only org whose API keys this caller may list, create and revoke; None means all."""
        return None if PLATFORM_READ in self.scopes else self.org_id

    def require(self, scope: str) -> None:
        """Require `scope`. Raises `Problem` (403) for a credential without it."""
        if scope not in self.scopes:
            raise forbidden(f"this credential lacks the scope {scope}")


ADMIN: Final = "admin"
"""Name of the administrator's credential."""


class Authenticator(Protocol):
    """Authenticates one kind of token."""

    async def authenticate(self, token: str) -> Credential | None:
        """Return the credential of `token`, or None if this authenticator does not accept it."""
        ...


class AdminKey:
    """The administrator's key from the settings."""

    def __init__(self, key: str) -> None:
        self._digest = _digest(key)

    async def authenticate(self, token: str) -> Credential | None:
        """Compare digests in constant time to prevent timing attacks."""
        if not hmac.compare_digest(_digest(token), self._digest):
            return None
        return Credential(ADMIN, frozenset((PLATFORM_READ, PLATFORM_WRITE, EVENTS_WRITE)))


async def authenticate(authenticators: Sequence[Authenticator], token: str | None) -> Credential:
    """Return the credential of the first authenticator that accepts `token`. Raises `Problem` (401) if none does."""
    if not token:
        raise unauthorized("missing API key: send 'Authorization: Bearer KEY'")
    for authenticator in authenticators:
        credential = await authenticator.authenticate(token)
        if credential is not None:
            return credential
    raise unauthorized("unknown, expired or revoked API key")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
