"""What stops a chunk, by what the caller does next.

StreamError
├── PartitionLostError      another worker owns the partition now: stop, it goes on from our intent
├── PartitionStoppedError   a broken topic, not bad events: hold the partition until an operator looks
├── LogRewoundError         the log ends before our offset: read what there is, ids prevent double counting
├── BarrierError               the ingest cannot be held still: say what is in the way, exit 2
├── RebuildError            raw events do not give what a rebuild needs: say so, exit 2
├── NotThereYetError        what the start needs is still missing: wait and ask again
└── SetupError              the worker cannot start like this: say why, exit 2
"""

from __future__ import annotations


class StreamError(Exception):
    """Base of the worker's errors."""


class PartitionLostError(StreamError):
    """The group coordinator refused us: the partition has another owner."""


class PartitionStoppedError(StreamError):
    """Too many bad records in a row."""


class LogRewoundError(StreamError):
    """The partition's log ends before the committed offset: its newest records were lost, or it was made again."""

    def __init__(self, partition: int, *, wanted: int, earliest: int) -> None:
        super().__init__(f"partition {partition}: the log ends before offset {wanted}; reading it from {earliest} on")
        self.earliest = earliest


class BarrierError(StreamError):
    """A command needs a moment without inserts and does not get one. Nothing was changed."""


class RebuildError(StreamError):
    """A month cannot be rebuilt from raw events. Nothing was changed."""


class NotThereYetError(StreamError):
    """The store answers, but has not yet what this version needs."""


class SetupError(StreamError):
    """A setting or a service that the worker needs is missing."""


class RepriceError(StreamError):
    """The window is wrong, another repricing runs, or this one has taken too long over a block."""
