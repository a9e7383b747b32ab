"""Classify the broker's response by what to do next with its records."""

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
    """What to do next with the records."""

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
    """Return the exception for a broker's error code; None for success."""
    if code == 0:
        return None
    error: BrokerResponseError = InvalidRecordError() if code == InvalidRecordError.errno else for_code(code)()
    return error


def verdict(error: Exception | None) -> Verdict:
    """Return what to do after `error`. Unknown errors are retried, bounded by the buffer, so that nothing is lost."""
    if error is None or isinstance(error, DuplicateSequenceNumber):
        return Verdict.SENT
    if isinstance(error, _RECORD_AT_FAULT):
        return Verdict.REFUSED
    if isinstance(error, _IDENTITY_LOST):
        return Verdict.NEW_IDENTITY
    return Verdict.RETRY
