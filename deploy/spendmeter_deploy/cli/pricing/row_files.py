"""Read a price row from a file."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import tomli

from spendmeter_deploy.cli.running import refuse


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


def _plain_time(value: object) -> str:
    if isinstance(value, date | datetime | time):
        # One instant has one spelling, and so one key, in TOML and JSON.
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")
