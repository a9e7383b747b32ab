"""Worker settings. `.env.example` lists the environment variables."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, DirectoryPath, Field, FilePath
from pydantic_settings import BaseSettings, SettingsConfigDict

from spendmeter_clickhouse.secret_text import Secret
from spendmeter_clickhouse.urls import url_fault
from spendmeter_events.connection import KafkaConnection

MAX_STOP_SECONDS: Final = 86_400.0
"""Bound of every time limit of a stop. An infinite one could not be measured."""


def _usable_url(url: str) -> str:
    if url and (fault := url_fault(url)):
        raise ValueError(fault)
    return url


def _name(text: str) -> str:
    if not text.strip() or text != text.strip():
        raise ValueError("must not be blank, or begin or end with a space")
    return text


Name = Annotated[str, AfterValidator(_name)]


class KafkaSettings(BaseSettings):
    """Kafka connection settings of the worker and the commands."""

    model_config = SettingsConfigDict(env_prefix="SPENDMETER_", env_ignore_empty=True, extra="ignore", frozen=True)

    bootstrap: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: str = Field(default="", repr=False)
    ssl_cafile: str = ""
    """CA bundle for the brokers' certificates. Empty: the system's trust store."""

    def connection(self) -> KafkaConnection:
        """Return the connection for any client. Raises `InvalidSettings` with all faults."""
        sasl = self.security_protocol.startswith("SASL")
        return KafkaConnection(
            bootstrap_servers=self.bootstrap,
            client_id="spendmeter",
            security_protocol=self.security_protocol,
            sasl_mechanism=self.sasl_mechanism if sasl else None,
            sasl_username=self.sasl_username or None,
            sasl_password=self.sasl_password or None,
            ssl_cafile=self.ssl_cafile or None,
        )

    def client_options(self) -> dict[str, Any]:
        """Return keyword arguments for any aiokafka client."""
        return self.connection().client_options()


class StreamSettings(KafkaSettings):
    """Settings of the worker. docs/benchmarks.md shows how the defaults were measured."""

    group: Name = "spendmeter-ingest"
    usage_partitions: int = Field(default=4, ge=1, le=1024)
    """Number of partitions of the usage topic, when created by us."""
    replication: int = Field(default=1, ge=1, le=9)
    """Replication factor of topics created by us."""
    prices_path: DirectoryPath | None = None
    """Folder of a price book that replaces the packaged one. Changes take effect within seconds."""
    worker_host: Name = "127.0.0.1"
    worker_port: int = Field(default=6066, ge=0, le=65535)
    """Port of `/metrics`, `/healthz` and `/readyz` of a standalone worker."""
    metrics_token: Secret = Field(default="", repr=False)
    """Bearer token for `/metrics` series that name tenants. Empty: shown only on loopback addresses."""
    topic_id: str = Field(default="", pattern=r"^[\w.-]{0,64}$")
    """Topic id of the usage topic. Empty: the id that Kafka assigned."""
    chunk_records: int = Field(default=30_000, ge=1, le=100_000)
    chunk_interval_ms: int = Field(default=500, ge=10, le=60_000)
    chunks_per_second: float = Field(default=8.0, ge=0.01, le=1000)
    """Maximum rate at which a worker closes chunks by time. With more partitions each chunk waits longer, so that
    ClickHouse gets few large parts instead of many small ones."""
    dedup_ids: int = Field(default=4_000_000, ge=1000, le=4_000_000_000)
    """Capacity of the deduplication filter in ids, over all partitions of this worker; 3 bytes each. Below twice the
    events of an hour, every event is looked up in the store, because its copy may be an hour older."""
    max_future_seconds: int = Field(default=3600, ge=0, le=366 * 86_400)
    """Events further ahead of the worker's clock are dead-lettered."""
    max_bad_in_a_row: int = Field(default=10_000, ge=1, le=2**53)
    """Stop the partition after this many consecutive dead letters: the topic is broken, not single events."""
    session_timeout_ms: int = Field(default=10_000, ge=1000, le=3_600_000)
    """Time without a heartbeat after which the group removes a worker."""
    rebalance_timeout_ms: int = Field(default=30_000, ge=500, le=3_600_000)
    stop_timeout_seconds: float = Field(default=20.0, gt=0, le=MAX_STOP_SECONDS)
    guard_interval_seconds: float = Field(default=10.0, ge=1, le=300)
    """Interval of the spend guard, if a run takes at most a fifth of it."""
    guard_thresholds_path: FilePath | None = None
    """File of thresholds by scope that replaces the packaged `guard/thresholds.toml`."""
    alert_webhook_url: Annotated[str, AfterValidator(_usable_url)] = Field(default="", repr=False)
    """URL that receives each alert. Empty: alerts go only to the topic and the metrics."""
    alert_webhook_secret: str = Field(default="", repr=False)
    """Secret that signs webhook requests. Empty: requests are unsigned."""
