"""The Kafka topics, and what a fresh cluster must give each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

USAGE: Final = "spendmeter.usage.v1"
"""One `UsageEvent` a record, keyed by the 16 bytes of its `event_id`."""
USAGE_DLQ: Final = "spendmeter.usage.dlq.v1"
"""What could not be counted: original key and bytes, coordinates and reason in the headers."""
DIRECTORY: Final = "spendmeter.directory.v1"
"""Orgs and users, compacted: the last entry of a key is the truth."""
PRICES: Final = "spendmeter.prices.v1"
"""Price rows on top of the book's files, compacted: the last row of a key is in force."""
ALERTS: Final = "spendmeter.alerts.v1"
"""What the spend guard saw, one alert a record, keyed by its fingerprint."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic is created where it does not exist."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def topic_specs(*, usage_partitions: int) -> tuple[TopicSpec, ...]:
    """The topics of one cluster; only the usage topic's width depends on the load."""
    day_ms = 24 * 60 * 60 * 1000
    return (
        TopicSpec(USAGE, usage_partitions, {"retention.ms": str(7 * day_ms)}),
        # Dead letters keep their original bytes, an oversized one included.
        TopicSpec(USAGE_DLQ, 1, {"retention.ms": str(30 * day_ms), "max.message.bytes": str(8 * 2**20)}),
        TopicSpec(DIRECTORY, 1, {"cleanup.policy": "compact"}),
        TopicSpec(PRICES, 1, {"cleanup.policy": "compact"}),
        TopicSpec(ALERTS, 1, {"retention.ms": str(30 * day_ms)}),
    )
