"""Where the embedded stack keeps its state and listens. Environment names are listed in `.env.example`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class StackSettings(BaseSettings):
    """The embedded stack's own settings; the rooms inside it read theirs."""

    model_config = SettingsConfigDict(env_prefix="SPENDMETER_", extra="ignore", frozen=True)

    data_dir: Path = Path(".spendmeter")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    """Where the query service listens; 0 takes any free port."""
    drain_seconds: float = Field(default=30.0, ge=0)
    """How long a stop waits for the worker to store what the broker has: the embedded broker forgets it."""
