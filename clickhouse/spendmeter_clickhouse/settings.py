"""Store settings. `.env.example` lists the environment variables."""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from spendmeter_clickhouse.urls import url_fault

_SCHEMES = ("chdb", "http", "https")
_DATABASE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")


class StoreSettings(BaseSettings):
    """One DSN reaches either store: `chdb:///folder` (embedded) or `https://user:password@host:8443/database`."""

    model_config = SettingsConfigDict(env_prefix="SPENDMETER_", env_ignore_empty=True, extra="ignore", frozen=True)

    store_dsn: str = Field(default="chdb:///.spendmeter/store", repr=False)
    reader_dsn: str = Field(default="", repr=False)
    """Read-only login of the query service. Empty: `store_dsn`."""
    store_timeout_seconds: int = Field(default=60, ge=1, le=3600)

    @model_validator(mode="after")
    def _dsns_can_be_read(self) -> Self:
        for name, dsn in (
            ("SPENDMETER_STORE_DSN", self.store_dsn),
            ("SPENDMETER_READER_DSN", self.reader_dsn),
        ):
            if dsn and (fault := _dsn_fault(dsn)):
                raise ValueError(f"{name} {fault}")
        if self.reader_dsn and urlsplit(self.reader_dsn).scheme == "chdb" and not self.embedded:
            raise ValueError("SPENDMETER_READER_DSN must be on the server of SPENDMETER_STORE_DSN")
        if not _DATABASE.match(self.database):
            raise ValueError(
                f"SPENDMETER_STORE_DSN: the database name {self.database!r} must be letters, digits and underscores"
            )
        return self

    @property
    def embedded(self) -> bool:
        """Whether the store is embedded in this process (chDB)."""
        return urlsplit(self.store_dsn).scheme == "chdb"

    @property
    def database(self) -> str:
        """The database all tables are in: the DSN's path, or for an embedded store its `database` option."""
        parts = urlsplit(self.store_dsn)
        if self.embedded:
            return dict(parse_qsl(parts.query)).get("database", "spendmeter")
        return unquote(parts.path.strip("/")) or "spendmeter"

    @property
    def path(self) -> str:
        """The embedded store's folder; `chdb:///a/b` is relative to nothing but the leading slash: `/a/b`,
        while `chdb:///.spendmeter/store` is below the working folder, as people mean it."""
        path = unquote(urlsplit(self.store_dsn).path)
        return path[1:] if path.startswith("/.") else path


def _dsn_fault(dsn: str) -> str:
    if not dsn.startswith("chdb:"):
        return url_fault(dsn, _SCHEMES)
    parts = urlsplit(dsn)
    if parts.netloc or not parts.path.strip("/"):
        return "must name a folder after three slashes, for example chdb:///.spendmeter/store"
    return ""
