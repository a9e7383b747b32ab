"""Stored API keys: SHA-256 and public prefix, never the key itself."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from spendmeter_clickhouse.store import Session

PREFIX_LENGTH: Final = 14
_TICK: Final = timedelta(milliseconds=1)
_COLUMNS: Final = (
    "prefix",
    "digest",
    "name",
    "scopes",
    "org_id",
    "expires_at",
    "requests_per_minute",
    "query_seconds",
    "query_memory_bytes",
    "query_rows",
    "created_at",
    "revoked",
    "updated_at",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """Scopes and limits of a key. A limit of 0 uses the service's default; `expires_at` None never expires."""

    prefix: str
    digest: bytes
    name: str
    scopes: tuple[str, ...]
    org_id: str = ""
    expires_at: datetime | None = None
    requests_per_minute: int = 0
    query_seconds: int = 0
    query_memory_bytes: int = 0
    query_rows: int = 0
    created_at: datetime
    revoked: bool = False
    updated_at: datetime

    def valid(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return not self.revoked and (self.expires_at is None or now < self.expires_at)


def generate_key() -> tuple[str, str]:
    """Return a new key with 256 random bits, and its public prefix: `spm_0123456789_…`, `spm_0123456789`."""
    prefix = f"spm_{secrets.token_hex(5)}"
    return f"{prefix}_{secrets.token_urlsafe(32)}", prefix


def prefix_of(token: str) -> str:
    """Return the public prefix of a key; for other text, a value that no key has."""
    return "_".join(token.split("_", 2)[:2])


def digest_of(token: str) -> bytes:
    """Return the SHA-256. A key with 256 random bits needs no slower hash."""
    return hashlib.sha256(token.encode()).digest()


async def list_keys(session: Session, *, valid_at: datetime | None = None) -> list[ApiKey]:
    """Return all keys, oldest first. Raises `StoreError`.

    :param valid_at: omit keys that are revoked or expired at this time.
    """
    where, parameters = "true", {}
    if valid_at is not None:
        where = "NOT revoked AND (expires_at IS NULL OR expires_at > {at:DateTime64(3)})"
        parameters = {"at": valid_at}
    answer = await session.query(
        f"SELECT {', '.join(_COLUMNS)} FROM api_keys FINAL WHERE {where} ORDER BY created_at, prefix",
        parameters,
    )
    rows = (dict(zip(_COLUMNS, row, strict=True)) for row in answer.result_rows)
    return [ApiKey(**row | {"scopes": tuple(row["scopes"])}) for row in rows]


async def store_key(session: Session, key: ApiKey) -> None:
    """Store a key. Raises `StoreError`."""
    await session.insert("api_keys", [tuple(getattr(key, name) for name in _COLUMNS)], list(_COLUMNS))


async def revoke_key(session: Session, prefix: str, *, now: datetime, org_id: str | None = None) -> ApiKey | None:
    """Revoke the key with `prefix` and return it, or None if there is none. Raises `StoreError`.

    :param org_id: omit keys of other orgs, and those without an org.
    """
    for key in await list_keys(session):
        if key.prefix != prefix or org_id not in (None, key.org_id):
            continue
        if not key.revoked:
            revoked = replace(key, revoked=True, updated_at=max(now, key.updated_at + _TICK))
            await store_key(session, revoked)
            return revoked
        return key
    return None
