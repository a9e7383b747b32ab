"""Outcome of a call: its status, and an error description without content of the conversation."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

_CODE: Final = re.compile(r"[A-Za-z][\w.\-]{0,63}")
_CANCELLED: Final = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)


def outcome_of(error: BaseException) -> dict[str, Any]:
    """Return `status`, `error_type` and `error_message` of an exception.

    A provider's message may quote the prompt, so `error_message` contains only the exception class, the HTTP status
    and the provider's code.
    """
    kind = type(error).__name__
    if isinstance(error, _CANCELLED):
        return {"status": "cancelled", "error_type": kind[:64]}
    status, code = http_status(error), provider_code(error)
    parts = [kind, f"HTTP {status}" if status else "", code]
    return {
        "status": "error",
        "error_type": code or kind[:64],
        "error_message": " ".join(part for part in parts if part),
    }


def http_status(error: BaseException) -> int:
    """Return the HTTP status of the response; 0 if there was no response."""
    for name in ("status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return 0


def provider_code(error: BaseException) -> str:
    """Return the provider's error code, such as `rate_limit_exceeded`; empty if it does not look like a code."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else None
    candidates = (
        getattr(error, "code", None),
        getattr(error, "status", None),  # Google
        inner.get("type") if isinstance(inner, dict) else None,
        getattr(error, "type", None),
    )
    return next((value for value in candidates if isinstance(value, str) and _CODE.fullmatch(value)), "")
