"""The keys that an OpenID Connect issuer publishes, found by discovery (OpenID Connect Discovery 1.0, 4).

A token is only looked at after its key was found, so whoever makes tokens up decides how often keys are looked for. The
issuer is therefore asked by one request at a time, and not again within `cooldown_seconds` (5 at most where it did not
answer). Keys are used for five minutes, and while the issuer does not answer, for up to an hour.
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

log = logging.getLogger(__name__)

_FRESH_SECONDS: Final = 300.0
_USABLE_SECONDS: Final = 3600.0
_TIMEOUT_SECONDS: Final = 5.0
_LONGEST_OUTAGE_COOLDOWN: Final = 5.0
_LARGEST_DOCUMENT: Final = 2**20


class IssuerUnreachableError(Exception):
    """No keys to check a token with; the issuer is asked again in `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"asked again in {seconds} s")
        self.seconds = seconds


class IssuerKeys:
    """Signing keys by their id. `clock` is a seam for tests."""

    def __init__(
        self, issuer: str, *, cooldown_seconds: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._cooldown = cooldown_seconds
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._read_at = float("-inf")
        self._ask_from = float("-inf")
        self._asking = asyncio.Lock()
        # A thread of its own: an issuer that answers slowly must not occupy those that others need.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="oidc")

    async def find(self, kid: str) -> PyJWK | None:
        """The key of that id; None where the issuer has none. Raises `IssuerUnreachableError`."""
        if self._age() <= _FRESH_SECONDS and kid in self._keys:
            return self._keys[kid]
        async with self._asking:
            # Whoever waited here may find what the one before brought.
            known = self._age() <= _FRESH_SECONDS and kid in self._keys
            if not known and self._clock() >= self._ask_from:
                await self._ask()
        if self._age() > _USABLE_SECONDS:
            raise IssuerUnreachableError(max(1, math.ceil(self._ask_from - self._clock())))
        return self._keys.get(kid)

    def close(self) -> None:
        """Wait for no answer any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _ask(self) -> None:
        cooldown = self._cooldown
        try:
            self._keys = await asyncio.get_running_loop().run_in_executor(self._thread, _published, self._issuer)
            self._read_at = self._clock()
        except (OSError, ValueError, PyJWTError) as error:
            log.warning("the OIDC issuer does not answer: %s", type(error).__name__)
            cooldown = min(cooldown, _LONGEST_OUTAGE_COOLDOWN)
        self._ask_from = self._clock() + cooldown

    def _age(self) -> float:
        return self._clock() - self._read_at


def _published(issuer: str) -> dict[str, PyJWK]:
    """The issuer's signing keys. Raises `OSError`, `ValueError` or `PyJWTError` where they cannot be had."""
    document = _document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        raise ValueError("the discovery document names another issuer")
    keys = PyJWKSet.from_dict(_document(str(document.get("jwks_uri")))).keys
    return {key.key_id: key for key in keys if key.key_id and key.public_key_use in ("sig", None)}


def _document(url: str) -> dict[str, object]:
    if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise ValueError("keys are read over https only")
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
        text = response.read(_LARGEST_DOCUMENT + 1)
    if len(text) > _LARGEST_DOCUMENT:
        raise ValueError("the document is too large")
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("the document is no JSON object")
    return document
