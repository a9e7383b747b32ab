"""The worker's errors, and what the caller does next.

StreamError
├── PartitionLostError      another worker owns the partition: stop; the new owner recovers from our intent
├── PartitionStoppedError   the topic is broken, not single events: stop the partition until an operator acts
├── LogRewoundError         the log ends before our offset: read from its start; deduplication prevents double counting
├── TopicReplacedError      the topic was deleted or recreated: resume in its new epoch
├── BarrierError            the ingest barrier cannot be kept: print the reason, exit 2
├── RebuildError            raw events are insufficient for a rebuild: print the reason, exit 2
├── RepriceError            the repricing cannot run or continue: print the reason, exit 2
├── NotReadyError        the store's schema is not ready: wait and retry
└── SetupError              the configuration or a service prevents the start: print the reason, exit 2
"""

from __future__ import annotations


class StreamError(Exception):
    """Base of the worker's errors."""


class PartitionLostError(StreamError):
    """The group coordinator rejected our generation: the partition was reassigned."""


class PartitionStoppedError(StreamError):
    """Too many consecutive invalid records, or the topic was recreated while its id is configured."""


class LogRewoundError(StreamError):
    """The log ends before the committed offset: its newest records were lost, or the topic was recreated."""

    def __init__(self, partition: int, *, wanted: int, earliest: int) -> None:
        super().__init__(f"partition {partition}: the log ends before offset {wanted}; reading from offset {earliest}")
        self.earliest = earliest


class TopicReplacedError(StreamError):
    """The usage topic was deleted or recreated while the partition was assigned."""

    def __init__(self, partition: int, what: str) -> None:
        super().__init__(f"partition {partition}: {what}; reading its new epoch from the beginning")


class BarrierError(StreamError):
    """Ingest could not be paused, or the barrier expired. Completed replacements remain."""


class RebuildError(StreamError):
    """A month cannot be rebuilt from raw events. Nothing was changed."""


class NotReadyError(StreamError):
    """The store is reachable, but lacks the schema that this version needs."""


class SetupError(StreamError):
    """A setting is invalid or missing, or a required service rejects the worker."""


class RepriceError(StreamError):
    """The window is invalid, another repricing is running, or the lease expired during a block."""
