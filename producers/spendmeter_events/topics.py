"""Kafka topics and their configuration in a new cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

USAGE: Final = "spendmeter.usage.v1"
"""One `UsageEvent` per record, keyed by the 16 bytes of its `event_id`."""
USAGE_DLQ: Final = "spendmeter.usage.dlq.v1"
"""Dead letters: original key and value; coordinates and reason in the headers."""
DIRECTORY: Final = "spendmeter.directory.v1"
"""Orgs and users, compacted: the last entry of a key is current."""
PRICES: Final = "spendmeter.prices.v1"
"""Price rows in addition to the book's files, compacted: the last row of a key is current."""
ALERTS: Final = "spendmeter.alerts.v1"
"""Alerts of the spend guard, one per record, keyed by fingerprint."""

BUDGETS: Final = "spendmeter.budgets.v1"
"""State of each budget, compacted, and a heartbeat: one partition, written by the spend guard, read by `BudgetGate`."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """Configuration of a topic that is created if it does not exist."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def topic_specs(*, usage_partitions: int) -> tuple[TopicSpec, ...]:
    """Return the topics of a cluster; only the number of usage partitions depends on the load."""
    day_ms = 24 * 60 * 60 * 1000
    return (
        TopicSpec(USAGE, usage_partitions, {"retention.ms": str(7 * day_ms)}),
        # Dead letters contain the original bytes, even of oversized records.
        TopicSpec(USAGE_DLQ, 1, {"retention.ms": str(30 * day_ms), "max.message.bytes": str(8 * 2**20)}),
        TopicSpec(DIRECTORY, 1, {"cleanup.policy": "compact"}),
        TopicSpec(PRICES, 1, {"cleanup.policy": "compact"}),
        TopicSpec(ALERTS, 1, {"retention.ms": str(30 * day_ms)}),
        # The open segment is never compacted: an hour of heartbeats and changes is what a gate reads at its start.
        TopicSpec(BUDGETS, 1, {"cleanup.policy": "compact", "segment.ms": str(60 * 60 * 1000)}),
    )
