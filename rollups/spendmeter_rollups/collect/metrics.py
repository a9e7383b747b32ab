"""All metrics of the collector."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class CollectorMetrics:
    """Metrics, registered once per registry. No label has values of a request, so they need no token."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "spendmeter_collector_events_total",
            "Events received over HTTP, by outcome: accepted, duplicate, refused, or not acknowledged by Kafka.",
            ["outcome"],
            registry=registry,
        )
        # Without an initial 0, `rate()` misses the first event of each outcome.
        for outcome in ("accepted", "duplicate", "refused", "unacknowledged"):
            self.events.labels(outcome)

    def count(self, *, accepted: int = 0, duplicates: int = 0, refused: int = 0, unacknowledged: int = 0) -> None:
        """Count the events of one request."""
        self.events.labels("accepted").inc(accepted)
        self.events.labels("duplicate").inc(duplicates)
        self.events.labels("refused").inc(refused)
        self.events.labels("unacknowledged").inc(unacknowledged)
