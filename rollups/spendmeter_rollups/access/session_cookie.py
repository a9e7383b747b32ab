"""The session cookie in requests and responses.

A browser sends a cookie with requests that another site caused. `SameSite=Strict` prevents that; a change also needs a
header that such a request cannot have, and an `Origin` that is this service.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response

from spendmeter_rollups.access.sessions import COOKIE, LENGTH, session_key
from spendmeter_rollups.problems import forbidden

PAGE_HEADER: Final = "x-spendmeter-page"
_READS: Final = ("GET", "HEAD")


def cookie_key(request: Request, now: datetime) -> str | None:
    """Return the credential of the request's session, or None. Raises `Problem` (403) for a forged change."""
    session = session_key(request.cookies.get(COOKIE, ""), now)
    if session is None:
        return None
    if request.method not in _READS:
        require_page(request)
    return session[0]


def require_page(request: Request) -> None:
    """Require that the page of this origin made the request. Raises `Problem` (403)."""
    origin = request.headers.get("origin")
    if PAGE_HEADER not in request.headers:
        raise forbidden(f"a change within a session requires the header {PAGE_HEADER}")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise forbidden("a change within a session requires the Origin of this service")


def set_cookie(response: Response, value: str, *, secure: bool) -> None:
    """Start a session."""
    response.set_cookie(
        COOKIE,
        value,
        max_age=int(LENGTH.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=secure,
        path="/",
    )


def clear_cookie(response: Response, *, secure: bool) -> None:
    """End a session."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=secure, path="/")
