"""Settings of the query service. Environment variables are listed in `.env.example`."""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from spendmeter_clickhouse.secret_text import Secret
from spendmeter_clickhouse.urls import is_https_or_local, is_origin, url_fault
from spendmeter_events.telemetry.span_names import FIELDS

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Accepted signature algorithms: asymmetric only, so that published keys cannot be used to sign."""

_FORMS: Final = 2
_LONGEST_WORD: Final = 30


class ServiceSettings(BaseSettings):
    """Settings from `SPENDMETER_*`; the defaults suit the embedded stack."""

    model_config = SettingsConfigDict(
        env_prefix="SPENDMETER_", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    admin_key: Secret = Field(default="", repr=False)
    """Key with access to everything. Empty: none, only credentials of other authenticators."""
    metrics_token: Secret = Field(default="", repr=False)
    """Token for `/metrics` including series with tenants' names, and nothing else. Empty: none."""
    query_timeout_seconds: int = Field(default=30, ge=1, le=600)
    query_memory_bytes: int = Field(default=2 * 2**30, ge=2**26, le=2**53)
    query_rows: int = Field(default=2_000_000_000, ge=1, le=2**53)
    """Stored rows that one query may read."""
    queries_at_once: int = Field(default=3, ge=1, le=64)
    """Concurrent queries per credential and process; further ones wait. Below the number of reader threads, so that one
    credential cannot occupy them all."""
    requests_at_once: int = Field(default=32, ge=1, le=1000)
    """Concurrent requests per credential and process, including waiting ones."""
    requests_at_once_overall: int = Field(default=256, ge=1, le=10_000)
    requests_per_minute: int = Field(default=1200, ge=0, le=2**53)
    """Requests per minute, credential and process. 0: unlimited."""
    answer_cache_seconds: float = Field(default=1.0, ge=0, le=300)
    """Seconds for which an answer is cached per credential and query. 0 disables the cache."""
    answer_cache_bytes: int = Field(default=64 * 2**20, ge=0, le=2**53)
    """Memory for cached answers, per process."""
    cors_origins: str = ""
    """Allowed CORS origins, separated by commas. Empty: none."""
    hsts_seconds: int = Field(default=0, ge=0, le=63_072_000)
    """`max-age` of Strict-Transport-Security. 0: not sent, for a service reachable without TLS."""
    oidc_issuer: str = ""
    """Issuer of accepted tokens, exactly as in their `iss` claim. Empty: none."""
    oidc_audience: str = ""
    """Required `aud` claim of a token: this service."""
    oidc_algorithms: str = "RS256"
    """Signature algorithms of the issuer, separated by commas."""
    oidc_org_claim: str = "org_id"
    oidc_scope_claim: str = "scope"
    span_attributes: str = ""
    """Attributes of spans besides those of docs/sending.md: `org_id=tenant.id,tags.course=course`. Empty: none."""
    word_org: str = "Org/Orgs"
    """Singular and plural of an org on the page, such as `School/Schools`."""
    word_class: str = "Class/Classes"
    word_section: str = "Section/Sections"
    word_user: str = "User/Users"

    @property
    def words(self) -> dict[str, tuple[str, str]]:
        """Singular and plural of each word."""
        named = {"org": self.word_org, "class": self.word_class, "section": self.word_section, "user": self.word_user}
        return {name: (text.split("/")[0].strip(), text.split("/")[-1].strip()) for name, text in named.items()}

    @property
    def mapped_attributes(self) -> dict[str, str]:
        """Event field, or `tags.NAME` → attribute of a span or its resource."""
        return dict(pair.split("=", 1) for pair in _split(self.span_attributes))

    @property
    def pinned_algorithms(self) -> tuple[str, ...]:
        """Accepted signature algorithms."""
        return _split(self.oidc_algorithms)

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """Allowed CORS origins."""
        return _split(self.cors_origins)

    @model_validator(mode="after")
    def _issuer_is_usable(self) -> Self:
        if not self.pinned_algorithms or not set(self.pinned_algorithms) <= set(ALGORITHMS):
            raise ValueError(f"SPENDMETER_OIDC_ALGORITHMS must be some of {', '.join(ALGORITHMS)}")
        if not self.oidc_issuer:
            return self
        if fault := url_fault(self.oidc_issuer):
            raise ValueError(f"SPENDMETER_OIDC_ISSUER {fault}")
        if not is_https_or_local(self.oidc_issuer):
            raise ValueError("SPENDMETER_OIDC_ISSUER must start with https://")
        if not self.oidc_audience:
            raise ValueError("SPENDMETER_OIDC_AUDIENCE is required: tokens issued for other services must be rejected")
        return self

    @field_validator("span_attributes")
    @classmethod
    def _fields_are_known(cls, text: str) -> str:
        for pair in _split(text):
            name, _, attribute = pair.partition("=")
            if (name not in FIELDS and not name.startswith("tags.")) or not attribute:
                raise ValueError(f"must be FIELD=ATTRIBUTE,…; a field is one of {', '.join(FIELDS)}, tags.NAME")
        return text

    @field_validator("word_org", "word_class", "word_section", "word_user")
    @classmethod
    def _word_is_usable(cls, text: str) -> str:
        parts = [part.strip() for part in text.split("/")]
        if len(parts) > _FORMS or not all(0 < len(part) <= _LONGEST_WORD for part in parts):
            raise ValueError("must be singular/plural, such as School/Schools, of 1 to 30 characters each")
        return text

    @model_validator(mode="after")
    def _origins_are_usable(self) -> Self:
        for origin in self.allowed_origins:
            if not is_origin(origin):
                raise ValueError(
                    f"SPENDMETER_CORS_ORIGINS: {origin!r} is no origin; expected https://host or https://host:port"
                )
        return self


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
