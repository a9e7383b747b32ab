"""Metrics in Prometheus format, and access to their series, shared by the query service and workers.

Series that name an org, a user, a feature or a model show what a tenant spends and on what. They are for credentials
with `platform:read` and for holders of the metrics token; everything else may be open on a private network.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
# Label names by which no series can name a tenant. A new label is withheld until it is listed here.
_OPEN_LABELS: Final = frozenset(
    (
        "code",
        "disk",
        "generation",
        "implementation",
        "kind",
        "le",
        "major",
        "method",
        "minor",
        "outcome",
        "partition",
        "patchlevel",
        "quantile",
        "reason",
        "route",
        "scope",
        "status",
        "step",
        "table",
        "task",
        "topic",
        "version",
    )
)


def exposition(registry: CollectorRegistry, *, tenants: bool) -> bytes:
    """The text of all metrics; without those that name tenants unless `tenants`."""
    return generate_latest(registry if tenants else _Open(registry))


def bears(header: str | None, token: str) -> bool:
    """Whether an `Authorization` header carries `token`, in constant time. An empty token is carried by none."""
    scheme, _, given = (header or "").partition(" ")
    if not token or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(_digest(given.strip()), _digest(token))


class _Open(CollectorRegistry):
    """A view of a registry without metrics whose labels may name a tenant."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._whole = registry

    def collect(self) -> Iterator[Metric]:
        """The metrics that may be open."""
        for metric in self._whole.collect():
            if all(_OPEN_LABELS.issuperset(sample.labels) for sample in metric.samples):
                yield metric


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
