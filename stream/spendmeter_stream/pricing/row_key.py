"""The default record key of a price row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_CONDITIONS: Final = ("org", "tiers", "regions", "units", "context_over", "context_from", "daily", "when")
_KINDS: Final = ("serves", "factor")


def key_of(row: Mapping[str, Any]) -> str:
    """Return the default record key of a row: what it prices and from when, so that a correction replaces it.

    Rows that can apply side by side, such as those of an org and of a tier, have different keys.
    """
    texts = [_text(row[name]) for name in ("provider", "models") if row.get(name)]
    texts += [name for name in _KINDS if name in row]
    texts += [f"{name}={_text(row[name])}" for name in _CONDITIONS if row.get(name)]
    return "/".join([*texts, _text(row.get("from", ""))])


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={_text(each)}" for name, each in value.items())
    return "+".join(map(_text, value)) if isinstance(value, list) else str(value)
