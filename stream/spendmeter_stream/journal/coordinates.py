"""Where stored rows came from, and which UTC days they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where a chunk's events came from: the life of the topic and the partition."""

    topic_id: str
    partition: int


def days_of(block: pa.Table) -> list[date]:
    """The UTC days of a block's events."""
    found: list[Any] = pc.unique(block["occurred_at"].cast(pa.date32(), safe=False)).to_pylist()
    return sorted(found)
