"""The outcome that a response reports: a stream or a job may fail after HTTP 200."""

from __future__ import annotations

from spendmeter_events.extract._sections.payload import field_name, items, pick, text


def error_type(error: object) -> str:
    """Return the provider's error code; only what looks like a code, because a message may quote the prompt."""
    codes = [text(pick(error, name), 64) for name in ("code", "type", "status")]
    number = pick(error, "code")
    codes += [str(number)] if isinstance(number, int) else []
    return next((code for code in codes if code.isdecimal() or field_name(code) == code != "error"), "failed")


def finish_reason(body: object) -> str:
    """Return the first finish reason of the choices; empty before the end."""
    reasons = (text(pick(choice, "finish_reason")) for choice in items(body, "choices"))
    return next((reason for reason in reasons if reason), "")
