"""What the query service can be told. Environment names are listed in `.env.example`."""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from spendmeter_clickhouse.secret_text import Secret

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What an issuer may sign with: asymmetric, so that nothing it publishes can be used to sign."""


class ServiceSettings(BaseSettings):
    """Read from `SPENDMETER_*`; every value has a default that suits the embedded stack."""

    model_config = SettingsConfigDict(env_prefix="SPENDMETER_", extra="ignore", frozen=True, hide_input_in_errors=True)

    admin_key: Secret = Field(default="", repr=False)
    """Sees everything. Empty: no such key, only credentials from other authenticators."""
    metrics_token: Secret = Field(default="", repr=False)
    """Opens `/metrics` with the series that name tenants, and nothing else. Empty: no such token."""
    query_timeout_seconds: int = Field(default=30, ge=1, le=600)
    query_memory_bytes: int = Field(default=2 * 2**30, ge=2**26)
    query_rows: int = Field(default=2_000_000_000, ge=1)
    """How many stored rows one query may read."""
    queries_at_once: int = Field(default=3, ge=1, le=64)
    """Of one credential, in one process; its other queries wait. Fewer than the service has threads for, so that one
    credential leaves room for others."""
    requests_at_once: int = Field(default=32, ge=1, le=1000)
    """Of one credential, in one process, those that wait included."""
    requests_at_once_overall: int = Field(default=256, ge=1, le=10_000)
    requests_per_minute: int = Field(default=1200, ge=0)
    """Of one credential, in one process. 0 sets no limit."""
    answer_cache_seconds: float = Field(default=1.0, ge=0, le=300)
    """How long the same question from the same credential gets the same answer. 0 turns it off."""
    answer_cache_bytes: int = Field(default=64 * 2**20, ge=0)
    """How much memory the kept answers may take, in one process."""
    cors_origins: str = ""
    """Origins whose pages may ask, separated by commas. Empty: none."""
    hsts_seconds: int = Field(default=0, ge=0, le=63_072_000)
    """How long browsers remember to use HTTPS alone. 0 where the service may be reached without TLS."""
    oidc_issuer: str = ""
    """The issuer whose tokens are accepted, exactly as its tokens name it. Empty: none."""
    oidc_audience: str = ""
    """What a token's `aud` must name: this service."""
    oidc_algorithms: str = "RS256"
    """The signature algorithms the issuer uses, separated by commas."""
    oidc_org_claim: str = "org_id"
    oidc_scope_claim: str = "scope"

    @property
    def pinned_algorithms(self) -> tuple[str, ...]:
        """The algorithms a token may be signed with."""
        return _listed(self.oidc_algorithms)

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins that CORS lets in."""
        return _listed(self.cors_origins)

    @model_validator(mode="after")
    def _issuer_is_usable(self) -> Self:
        if not self.oidc_issuer:
            return self
        if not self.oidc_issuer.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise ValueError("SPENDMETER_OIDC_ISSUER must begin with https://")
        if not self.oidc_audience:
            raise ValueError("SPENDMETER_OIDC_AUDIENCE must name this service: a token for another must not open it")
        if not self.pinned_algorithms or not set(self.pinned_algorithms) <= set(ALGORITHMS):
            raise ValueError(f"SPENDMETER_OIDC_ALGORITHMS must be some of {', '.join(ALGORITHMS)}")
        return self


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
