"""What the worker can be told. Environment names are listed in `.env.example`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from spendmeter_clickhouse.secret_text import Secret
from spendmeter_events.connection import KafkaConnection


class KafkaSettings(BaseSettings):
    """How to reach the brokers: the same names for the worker and for the commands."""

    model_config = SettingsConfigDict(env_prefix="SPENDMETER_", extra="ignore", frozen=True)

    bootstrap: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: str = Field(default="", repr=False)
    ssl_cafile: str = ""
    """The authority that signed the brokers' certificates. Empty: the system's own list."""

    def connection(self) -> KafkaConnection:
        """The same for every client. Raises `InvalidSettings` with every fault."""
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
        """Keyword arguments for any aiokafka client."""
        return self.connection().client_options()


class StreamSettings(KafkaSettings):
    """The worker's own settings. The defaults were measured; docs/benchmarks.md says how."""

    group: str = "spendmeter-ingest"
    usage_partitions: int = Field(default=4, ge=1, le=1024)
    """How wide the usage topic is made where it does not exist yet."""
    replication: int = Field(default=1, ge=1, le=9)
    """Copies of each topic that is made here."""
    prices_path: Path | None = None
    """A folder with another price book than the packaged one; changes in it take effect within seconds."""
    worker_host: str = "127.0.0.1"
    worker_port: int = Field(default=6066, ge=0, le=65535)
    """Where a worker of its own shows `/metrics`."""
    metrics_token: Secret = Field(default="", repr=False)
    """Opens the series of `/metrics` that name tenants. Empty: they are shown on a loopback address alone."""
    topic_id: str = ""
    """The life of the usage topic. Empty: the id that Kafka gave the topic."""
    chunk_records: int = Field(default=30_000, ge=1, le=100_000)
    chunk_interval_ms: int = Field(default=500, ge=10, le=60_000)
    chunks_per_second: float = Field(default=8.0, gt=0, le=1000)
    """How many chunks a worker closes by time: the more partitions, the longer each waits for its turn,
    so that the store gets few large parts instead of many small ones."""
    dedup_ids: int = Field(default=4_000_000, ge=1000)
    """How many of the newest stored ids are remembered in memory, over all partitions of this worker: 3 bytes each.
    Below twice the events of an hour, every event is looked up in the store, because its copy may be an hour older."""
    max_future_seconds: int = Field(default=3600, ge=0)
    """An event may be this far ahead of the worker's clock; further ahead it is dead-lettered."""
    max_bad_in_a_row: int = Field(default=10_000, ge=1)
    """As many dead letters in a row stop the partition: that is a broken topic, not a bad event."""
    session_timeout_ms: int = Field(default=10_000, ge=1000)
    """How long after its last heartbeat a worker counts as gone."""
    rebalance_timeout_ms: int = Field(default=30_000, ge=500)
    stop_timeout_seconds: float = Field(default=20.0, gt=0)
    guard_interval_seconds: float = Field(default=10.0, ge=1, le=300)
    """How often the spend guard looks, where a look takes no longer than a fifth of it."""
    guard_thresholds_path: Path | None = None
    """A file of thresholds by scope, instead of the packaged `guard/thresholds.toml`."""
    alert_webhook_url: str = Field(default="", pattern=r"^(https?://.+)?$", repr=False)
    """Where each alert is posted. Empty: nowhere; the topic and the metrics have it all the same."""
    alert_webhook_secret: str = Field(default="", repr=False)
    """Signs what is posted. Empty: it is not signed."""
