"""`.env.example` names every setting with its default, and nothing else."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings

from spendmeter_deploy.environment import SETTINGS

EXAMPLE = Path(__file__).parents[3] / ".env.example"
ROOMS = SETTINGS


def default(room: type[BaseSettings], name: str) -> str:
    value = room.model_fields[name].default
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def test_every_setting_is_there_with_its_default() -> None:
    lines = (line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#"))
    written = dict(line.split("=", 1) for line in lines)
    defaults = {f"SPENDMETER_{name}".upper(): default(room, name) for room in ROOMS for name in room.model_fields}
    assert written == defaults
