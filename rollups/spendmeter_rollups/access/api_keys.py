"""Authenticate API keys created with `spendmeter apikey`."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from spendmeter_clickhouse import Session, StoreError
from spendmeter_clickhouse.api_keys import ApiKey, digest_of, list_keys, prefix_of
from spendmeter_rollups.access.auth import Credential, Limits

REFRESH_SECONDS: Final = 5.0
"""A revoked key may be accepted for this long."""
STALE_SECONDS: Final = 900.0
"""While ClickHouse does not answer, known keys are accepted for this long."""
_NEW_KEY_SECONDS: Final = 1.0
"""Minimum interval between refreshes for unknown prefixes: a flood of wrong keys must not cause a flood of queries."""


class ApiKeys:
    """All valid keys, cached in memory and refreshed every few seconds. Raises `StoreError` if they cannot be read."""

    def __init__(self, session: Session, *, clock: Callable[[], datetime]) -> None:
        self._session = session
        self._clock = clock
        self._keys: dict[str, ApiKey] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def authenticate(self, token: str) -> Credential | None:
        """Return the credential of `token`, or None for an unknown, revoked or expired key."""
        prefix = prefix_of(token)
        if not prefix.startswith("spm_"):
            return None
        await self._refresh(_NEW_KEY_SECONDS if prefix not in self._keys else REFRESH_SECONDS)
        key = self._keys.get(prefix)
        # Compare digests in constant time to prevent timing attacks.
        if key is None or not hmac.compare_digest(digest_of(token), key.digest) or not key.valid(self._clock()):
            return None
        return Credential(f"key:{key.prefix}", frozenset(key.scopes), key.org_id or None, _limits(key), key.expires_at)

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    async def _refresh(self, oldest: float) -> None:
        async with self._reading:
            age = time.monotonic() - self._read_at
            if age <= oldest:
                return
            try:
                self._keys = {key.prefix: key for key in await list_keys(self._session, valid_at=self._clock())}
            except StoreError:
                # The collector accepts events while ClickHouse is down.
                if oldest < REFRESH_SECONDS or age > STALE_SECONDS:
                    raise
            else:
                self._read_at = time.monotonic()


def _limits(key: ApiKey) -> Limits:
    return Limits(
        requests_per_minute=key.requests_per_minute,
        query_seconds=key.query_seconds,
        query_memory_bytes=key.query_memory_bytes,
        query_rows=key.query_rows,
    )
