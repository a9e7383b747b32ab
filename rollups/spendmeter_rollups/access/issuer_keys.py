"""Signing keys of an OpenID Connect issuer, found by discovery (OpenID Connect Discovery 1.0, section 4).

A token is verified after its key is found, so forged tokens with unknown key ids cause lookups. Therefore one request
at a time fetches keys, and not again within `cooldown_seconds` (at most 5 s after a failure). Keys are used for five
minutes, and for up to an hour while the issuer is unreachable.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWTError

from spendmeter_clickhouse.urls import is_https_or_local

log = logging.getLogger(__name__)

_FRESH_SECONDS: Final = 300.0
_USABLE_SECONDS: Final = 3600.0
_TIMEOUT_SECONDS: Final = 5.0
_LONGEST_OUTAGE_COOLDOWN: Final = 5.0
_LARGEST_DOCUMENT: Final = 2**20


class IssuerUnreachableError(Exception):
    """No keys are available to verify a token; the next attempt is in `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"next attempt in {seconds} s")
        self.seconds = seconds


class IssuerKeys:
    """Signing keys by id. `clock` is a seam for tests."""

    def __init__(
        self, issuer: str, *, cooldown_seconds: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._cooldown = cooldown_seconds
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._read_at = float("-inf")
        self._next_fetch_at = float("-inf")
        self._fetching = asyncio.Lock()
        # A dedicated thread: a slow issuer must not occupy the shared executor.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="oidc")

    async def find(self, kid: str) -> PyJWK | None:
        """Return the key with id `kid`, or None if the issuer has none. Raises `IssuerUnreachableError`."""
        if self._age() <= _FRESH_SECONDS and kid in self._keys:
            return self._keys[kid]
        async with self._fetching:
            # The previous holder of the lock may have fetched the key.
            known = self._age() <= _FRESH_SECONDS and kid in self._keys
            if not known and self._clock() >= self._next_fetch_at:
                await self._fetch()
        if self._age() > _USABLE_SECONDS:
            raise IssuerUnreachableError(max(1, math.ceil(self._next_fetch_at - self._clock())))
        return self._keys.get(kid)

    def close(self) -> None:
        """Stop fetching keys."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _fetch(self) -> None:
        cooldown = self._cooldown
        try:
            self._keys = await asyncio.get_running_loop().run_in_executor(self._thread, _fetch_keys, self._issuer)
            self._read_at = self._clock()
        except (OSError, ValueError, PyJWTError) as error:
            log.warning(
                "cannot fetch the OIDC issuer's keys (%s); cached keys are used for up to 1 h",
                type(error).__name__,
            )
            cooldown = min(cooldown, _LONGEST_OUTAGE_COOLDOWN)
        self._next_fetch_at = self._clock() + cooldown

    def _age(self) -> float:
        return self._clock() - self._read_at


def _fetch_keys(issuer: str) -> dict[str, PyJWK]:
    """Fetch the issuer's signing keys. Raises `OSError`, `ValueError` or `PyJWTError`."""
    document = _fetch_document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        raise ValueError("the discovery document names another issuer")
    keys = PyJWKSet.from_dict(_fetch_document(str(document.get("jwks_uri")))).keys
    return {key.key_id: key for key in keys if key.key_id and key.public_key_use in ("sig", None)}


def _fetch_document(url: str) -> dict[str, object]:
    if not is_https_or_local(url):
        raise ValueError("keys are fetched over https only")
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - the scheme is checked
        text = response.read(_LARGEST_DOCUMENT + 1)
    if len(text) > _LARGEST_DOCUMENT:
        raise ValueError("the document is too large")
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("the document is not a JSON object")
    return document
