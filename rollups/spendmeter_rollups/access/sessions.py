"""Sessions of browsers: a cookie with the credential and the end of the session, and links that sign in once.

Sessions are not stored. The cookie carries the credential itself, so that every replica accepts it and a revoked key
ends its sessions; scripts of the page cannot read it (HttpOnly). Its signature, made with the credential, protects the
end of the session: only a caller that has the credential anyway could extend it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

COOKIE: Final = "spendmeter_session"
LENGTH: Final = timedelta(hours=12)
LONGEST_KEY: Final = 2800
"""A browser keeps at most 4096 bytes of a cookie."""
_LINK_SECONDS: Final = 24 * 3600.0
_SESSION: Final = re.compile(r"^(\d{1,12})\.([A-Za-z0-9_-]+)\.([0-9a-f]{64})$")


def session_value(key: str, ends_at: datetime) -> str:
    """Return the value of the cookie for `key`, valid before `ends_at`."""
    end = str(int(ends_at.timestamp()))
    return f"{end}.{base64.urlsafe_b64encode(key.encode()).decode().rstrip('=')}.{_signature(key, end)}"


def session_key(value: str, now: datetime) -> tuple[str, datetime] | None:
    """Return the credential of a session and its end, or None if it is malformed, changed or over."""
    parts = _SESSION.match(value)
    if parts is None:
        return None
    end, encoded, signature = parts.groups()
    try:
        key = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
    if not hmac.compare_digest(signature, _signature(key, end)) or now.timestamp() >= int(end):
        return None
    return key, datetime.fromtimestamp(int(end), UTC)


def _signature(key: str, end: str) -> str:
    return hmac.digest(key.encode(), f"spendmeter session until {end}".encode(), "sha256").hex()


class SignInLinks:
    """Secrets that sign in once, for a link that a person opens instead of pasting a key."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys: dict[str, tuple[str, float]] = {}

    def issue(self, key: str) -> str:
        """Return a secret that signs in with `key`, once, within a day."""
        secret = secrets.token_urlsafe(32)
        self._keys[secret] = (key, self._clock() + _LINK_SECONDS)
        return secret

    def redeem(self, secret: str) -> str | None:
        """Return the key of an unused secret, which cannot be used again; else None."""
        key, ends_at = self._keys.pop(secret, ("", 0.0))
        return key if key and self._clock() < ends_at else None
