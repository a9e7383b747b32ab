"""What the query service can be told. Environment names are listed in `.env.example`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Read from `SPENDMETER_*`; every value has a default that suits the embedded stack."""

    model_config = SettingsConfigDict(env_prefix="SPENDMETER_", extra="ignore", frozen=True)

    admin_key: str = Field(default="", repr=False)
    """Sees everything. Empty: no such key, only credentials from other authenticators."""
    query_timeout_seconds: int = Field(default=30, ge=1, le=600)
    query_memory_bytes: int = Field(default=2 * 2**30, ge=2**26)
    answer_cache_seconds: float = Field(default=2.0, ge=0, le=300)
    """How long the same question from the same credential gets the same answer. 0 turns it off."""
