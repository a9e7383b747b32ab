"""Reads exported metrics of this process by name, as a scrape does."""

from __future__ import annotations

from prometheus_client import REGISTRY


def metric(name: str, **labels: str) -> float:
    """The value of one sample, e.g. `metric("spendmeter_events_total", outcome="stored")`; 0 if there is none."""
    return REGISTRY.get_sample_value(name, labels) or 0.0
