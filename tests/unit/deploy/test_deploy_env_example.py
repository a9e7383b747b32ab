"""`.env.example` names every setting with its default, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from spendmeter_deploy.environment import SETTINGS

EXAMPLE = Path(__file__).parents[3] / ".env.example"
ROOMS = SETTINGS


def default(room: type[BaseSettings], name: str) -> str:
    value = room.model_fields[name].default
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def lines() -> list[tuple[str, str]]:
    pairs = (line.partition("=") for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#"))
    return [(name, value) for name, _, value in pairs]


def test_every_setting_is_there_with_its_default() -> None:
    written = dict(lines())
    defaults = {f"SPENDMETER_{name}".upper(): default(room, name) for room in ROOMS for name in room.model_fields}
    assert written == defaults


def test_exporting_the_whole_file_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty path, for example, must not select the working folder."""
    for name, value in lines():
        monkeypatch.setenv(name, value)
    for room in ROOMS:
        assert room().model_dump() == {name: field.default for name, field in room.model_fields.items()}
