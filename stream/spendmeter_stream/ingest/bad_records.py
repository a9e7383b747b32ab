"""Stop a partition after too many bad records in a row: the topic probably has messages of another kind."""

from __future__ import annotations

from spendmeter_stream.errors import PartitionStoppedError
from spendmeter_stream.ingest.protocol import Chunk, Outcome


class BadRecordLimit:
    """Count the bad records in a row of one partition."""

    def __init__(self, *, partition: int, maximum: int) -> None:
        self._partition = partition
        self._maximum = maximum
        self._in_a_row = 0

    def check(self, chunk: Chunk, outcome: Outcome) -> None:
        """Count the chunk's records if all of them were rejected, or restart the count.

        :raises PartitionStoppedError: the limit is reached.
        """
        if len(outcome.rejected) < len(chunk.records):
            self._in_a_row = 0
            return
        self._in_a_row += len(outcome.rejected)
        if self._in_a_row >= self._maximum:
            raise PartitionStoppedError(
                f"partition {self._partition}: {self._in_a_row} bad records in a row,"
                f" the last at offset {chunk.offsets.end - 1}: {outcome.rejected[-1].code}"
            )
