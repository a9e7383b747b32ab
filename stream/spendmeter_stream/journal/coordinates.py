"""Coordinates of stored rows in Kafka, and their UTC days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Coordinates:
    """The topic id and partition of a chunk's events."""

    topic_id: str
    partition: int


def days_of(block: pa.Table) -> list[date]:
    """Return the UTC days of a block's events, sorted."""
    found: list[Any] = pc.unique(block["occurred_at"].cast(pa.date32(), safe=False)).to_pylist()
    return sorted(found)
