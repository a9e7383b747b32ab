"""Read a price row from a file, and derive its record key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

import tomli

from spendmeter_deploy.cli.running import refuse

_CONDITIONS: Final = ("org", "tiers", "regions", "units", "context_over", "context_from", "daily", "when")
_KINDS: Final = ("serves", "factor")


def read_row(file: Path) -> dict[str, Any]:
    """Return the row of a TOML or JSON file as JSON values, or exit with one line."""
    try:
        text = file.read_text("utf-8-sig")
        row = json.loads(text) if file.suffix == ".json" else tomli.loads(text, parse_float=str)
        if not isinstance(row, dict):
            raise ValueError("expected one object")
        plain: dict[str, Any] = json.loads(json.dumps(row, default=_plain_time))
    except (OSError, ValueError) as error:
        raise refuse(f"{file}: {error}") from None
    except RecursionError:
        raise refuse(f"{file}: nested too deeply") from None
    return plain


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


def _plain_time(value: object) -> str:
    if isinstance(value, date | datetime | time):
        # One instant has one spelling, and so one key, in TOML and JSON.
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")
