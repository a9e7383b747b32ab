"""API keys as they are stored: never the key, only its SHA-256 and the part of it that may be shown."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from spendmeter_clickhouse.store import Session

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
    """A key's rights. A limit of 0 is the service's own; `expires_at` None is never."""

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
        """Whether the key still opens anything."""
        return not self.revoked and (self.expires_at is None or now < self.expires_at)


def generate_key() -> tuple[str, str]:
    """A new key with 256 random bits, and the prefix of it that may be shown: `spm_0123456789_…`, `spm_0123456789`."""
    prefix = f"spm_{secrets.token_hex(5)}"
    return f"{prefix}_{secrets.token_urlsafe(32)}", prefix


def prefix_of(token: str) -> str:
    """The part of a key that may be shown; of anything else, something that no key has."""
    return "_".join(token.split("_", 2)[:2])


def digest_of(token: str) -> bytes:
    """SHA-256. A key of 256 random bits needs no slower hash: there is nothing to guess."""
    return hashlib.sha256(token.encode()).digest()


async def list_keys(session: Session, *, valid_at: datetime | None = None) -> list[ApiKey]:
    """Every key, oldest first. Raises `StoreError`.

    :param valid_at: without those that are revoked, or expired by then.
    """
    where, parameters = "true", {}
    if valid_at is not None:
        where = "NOT revoked AND (expires_at IS NULL OR expires_at > {at:DateTime64(3)})"
        parameters = {"at": valid_at}
    answer = await session.query(
        f"SELECT {', '.join(_COLUMNS)} FROM api_keys FINAL WHERE {where} ORDER BY created_at, prefix",  # noqa: S608
        parameters,
    )
    rows = (dict(zip(_COLUMNS, row, strict=True)) for row in answer.result_rows)
    return [ApiKey(**row | {"scopes": tuple(row["scopes"])}) for row in rows]


async def store_key(session: Session, key: ApiKey) -> None:
    """Keep a key. Raises `StoreError`."""
    await session.insert("api_keys", [tuple(getattr(key, name) for name in _COLUMNS)], list(_COLUMNS))


async def revoke_key(session: Session, prefix: str, *, now: datetime) -> ApiKey | None:
    """Revoke the key of `prefix`, and return it; None where there is none. Raises `StoreError`."""
    for key in await list_keys(session):
        if key.prefix == prefix:
            revoked = replace(key, revoked=True, updated_at=max(now, key.updated_at + _TICK))
            await store_key(session, revoked)
            return revoked
    return None
