"""All metrics of the query service."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class ServiceMetrics:
    """Metrics, registered once per registry. `route` is the route template, so path values create no series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "spendmeter_http_requests_total",
            "Completed requests, by route and status class.",
            ["method", "route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "spendmeter_http_request_seconds",
            "Time from the start of a request to the last byte of its response.",
            ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.in_progress = Gauge("spendmeter_http_requests_in_progress", "Requests in progress.", registry=registry)
