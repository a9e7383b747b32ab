"""Settings of the embedded stack. `.env.example` lists the environment variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from spendmeter_stream.settings import MAX_STOP_SECONDS, Name


class StackSettings(BaseSettings):
    """Data folder, address and drain time of the embedded stack."""

    model_config = SettingsConfigDict(env_prefix="SPENDMETER_", env_ignore_empty=True, extra="ignore", frozen=True)

    data_dir: Path = Path(".spendmeter")
    host: Name = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    """Port of the query service; 0 picks a free one."""
    drain_seconds: float = Field(default=30.0, ge=0, le=MAX_STOP_SECONDS)
    """Maximum time that a stop waits for the worker to store the backlog, which the memory broker loses."""
