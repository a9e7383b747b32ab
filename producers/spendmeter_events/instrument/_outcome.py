"""How a call went, in the words of the event: status, and an error that holds nothing of the conversation."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

_CODE: Final = re.compile(r"[A-Za-z][\w.\-]{0,63}")
_STOPPED: Final = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)


def outcome_of(error: BaseException) -> dict[str, Any]:
    """`status`, `error_type` and `error_message` of an exception.

    A provider's own message may quote the prompt, so the event's message is made of the exception's class, the
    HTTP status and the provider's code only.
    """
    kind = type(error).__name__
    if isinstance(error, _STOPPED):
        return {"status": "cancelled", "error_type": kind[:64]}
    status, code = http_status(error), provider_code(error)
    parts = [kind, f"HTTP {status}" if status else "", code]
    return {
        "status": "error",
        "error_type": code or kind[:64],
        "error_message": " ".join(part for part in parts if part),
    }


def http_status(error: BaseException) -> int:
    """The HTTP status the provider answered with; 0 where there was no answer."""
    for name in ("status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return 0


def provider_code(error: BaseException) -> str:
    """The provider's name for the error, such as `rate_limit_exceeded`; empty for anything longer than a name."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else None
    told = (
        getattr(error, "code", None),
        getattr(error, "status", None),  # Google
        inner.get("type") if isinstance(inner, dict) else None,
        getattr(error, "type", None),
    )
    return next((value for value in told if isinstance(value, str) and _CODE.fullmatch(value)), "")
