"""What the broker's answer means for the records it is about, named by what happens to them next."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from aiokafka.errors import (
    BrokerResponseError,
    DuplicateSequenceNumber,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    PolicyViolationError,
    RecordListTooLargeError,
    UnknownProducerId,
    UnsupportedForMessageFormatError,
    for_code,
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


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc]
    """INVALID_RECORD, which a broker's own validation answers; aiokafka (0.14) takes it for `UnknownError`."""

    errno = 87
    message = "INVALID_RECORD"


_RECORD_AT_FAULT: Final = (
    InvalidRecordError,
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


def error_for(code: int) -> BrokerResponseError | None:
    """The exception for a broker's error code; None for success."""
    if code == 0:
        return None
    error: BrokerResponseError = InvalidRecordError() if code == InvalidRecordError.errno else for_code(code)()
    return error


def verdict(error: Exception | None) -> Verdict:
    """An error that nobody knows is retried: the buffer bounds what that costs, and nothing is lost by guess."""
    if error is None or isinstance(error, DuplicateSequenceNumber):
        return Verdict.SENT
    if isinstance(error, _RECORD_AT_FAULT):
        return Verdict.REFUSED
    if isinstance(error, _IDENTITY_LOST):
        return Verdict.NEW_IDENTITY
    return Verdict.RETRY
