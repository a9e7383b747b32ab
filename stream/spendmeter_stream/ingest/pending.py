"""Records collected for the next chunk of a partition."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiokafka import ConsumerRecord


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    """Size limits: a chunk that reaches one closes before its deadline."""

    records: int
    bytes: int


@dataclass(slots=True)
class PendingChunk:
    """Records collected for the next chunk."""

    limits: ChunkLimits
    end: int
    """The next offset to read. Transaction markers and gaps may follow the last record."""
    records: list[ConsumerRecord] = field(default_factory=list)
    size: int = 0

    @property
    def room(self) -> int:
        """How many more records fit."""
        return self.limits.records - len(self.records) if self.size < self.limits.bytes else 0

    def add(self, records: list[ConsumerRecord], end: int) -> None:
        """Append the result of a poll: `records`, and the next offset to read."""
        self.records += records
        self.end = max(self.end, end)
        self.size += sum(len(record.value or b"") for record in records)
