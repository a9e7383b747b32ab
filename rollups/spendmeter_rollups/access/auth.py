"""Who asks, and what that credential may see.

An authenticator turns a bearer token into a `Credential`, or says it does not know it. The service asks its
authenticators in turn: the administrator's key, API keys (`api_keys`), tokens of an OIDC issuer (`oidc`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from spendmeter_clickhouse.scopes import ORG_READ, PLATFORM_READ, PLATFORM_WRITE
from spendmeter_rollups.problems import forbidden, unauthorized


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one credential may use up. 0 is the service's own limit."""

    requests_per_minute: int = 0
    query_seconds: int = 0
    query_memory_bytes: int = 0
    query_rows: int = 0


@dataclass(frozen=True, slots=True)
class Credential:
    """A caller that was recognised. `org_id` is set for callers bound to one org."""

    name: str
    scopes: frozenset[str]
    org_id: str | None = None
    limits: Limits = Limits()

    def orgs(self) -> tuple[str, ...] | None:
        """The orgs this caller may see, perhaps none; None means every one."""
        if PLATFORM_READ in self.scopes:
            return None
        return (self.org_id,) if ORG_READ in self.scopes and self.org_id is not None else ()

    def visible_orgs(self) -> tuple[str, ...] | None:
        """The orgs this caller may see; None means every one. Raises `Problem` where it may see none."""
        orgs = self.orgs()
        if orgs == ():
            raise forbidden(f"this credential needs the scope {PLATFORM_READ} or {ORG_READ}")
        return orgs

    def require(self, scope: str) -> None:
        """Raises `Problem` (403) for a credential without `scope`."""
        if scope not in self.scopes:
            raise forbidden(f"this credential needs the scope {scope}")


class Authenticator(Protocol):
    """Recognises one kind of token."""

    async def authenticate(self, token: str) -> Credential | None:
        """The credential behind `token`, or None where this is not one of ours."""
        ...


class AdminKey:
    """The one key from the settings."""

    def __init__(self, key: str) -> None:
        self._digest = _digest(key)

    async def authenticate(self, token: str) -> Credential | None:
        """Compares digests in constant time, so that a wrong key's time tells nothing about the right one."""
        if not hmac.compare_digest(_digest(token), self._digest):
            return None
        return Credential("admin", frozenset((PLATFORM_READ, PLATFORM_WRITE)))


async def authenticate(authenticators: Sequence[Authenticator], token: str | None) -> Credential:
    """The first authenticator's word that counts. Raises `Problem` (401) where none knows the token."""
    if not token:
        raise unauthorized("send a key as 'Authorization: Bearer KEY'")
    for authenticator in authenticators:
        credential = await authenticator.authenticate(token)
        if credential is not None:
            return credential
    raise unauthorized("this key is not known, or no longer")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
