"""Every metric of the query service."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class ServiceMetrics:
    """Registered once per registry. `route` is the template, so that values in a path make no new series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "spendmeter_http_requests_total",
            "Requests answered, by route and class of status.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "spendmeter_http_request_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.in_progress = Gauge("spendmeter_http_requests_in_progress", "Requests under way.", registry=registry)
