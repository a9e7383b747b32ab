"""What the broker's answer means for the records it is about, named by what happens to them next."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from aiokafka.errors import (
    DuplicateSequenceNumber,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    PolicyViolationError,
    RecordListTooLargeError,
    UnknownError,
    UnknownProducerId,
    UnsupportedForMessageFormatError,
)


class Verdict(Enum):
    """What happens next."""

    SENT = auto()
    RETRY = auto()
    """The broker, the network or the permissions are at fault: the same batch again, later."""
    NEW_IDENTITY = auto()
    """The broker has lost track of this producer: the same records again under a new producer id."""
    REFUSED = auto()
    """A record is at fault: halve the batch until the one is found, and drop that one."""


_RECORD_AT_FAULT: Final = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    InvalidTimestampError,
    PolicyViolationError,
    UnsupportedForMessageFormatError,
)
_IDENTITY_LOST: Final = (
    OutOfOrderSequenceNumber,
    UnknownProducerId,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
)
_DOUBTFUL_ATTEMPTS: Final = 8
"""aiokafka shows codes it does not know (INVALID_RECORD among them) as `UnknownError`, as it does a broker's
own "unknown server error". The latter passes; only one that outlasts these attempts is a refusal."""


def verdict(error: Exception | None, *, attempts: int) -> Verdict:
    """`attempts`: how often this batch was tried, this time included."""
    if error is None or isinstance(error, DuplicateSequenceNumber):
        return Verdict.SENT
    if isinstance(error, _RECORD_AT_FAULT):
        return Verdict.REFUSED
    if isinstance(error, _IDENTITY_LOST):
        return Verdict.NEW_IDENTITY
    if isinstance(error, UnknownError) and attempts >= _DOUBTFUL_ATTEMPTS:
        return Verdict.REFUSED
    return Verdict.RETRY
