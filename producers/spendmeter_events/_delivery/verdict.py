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
    """The broker, the network or the permissions failed: send the same batch again later."""
    NEW_PRODUCER_ID = auto()
    """The broker no longer recognises the producer id: send the same records with a new one."""
    REFUSED = auto()
    """A record is invalid: halve the batch until that record is found, and drop it."""


class InvalidRecordError(BrokerResponseError):  # type: ignore[misc]  # aiokafka has no types
    """INVALID_RECORD, from the broker's validation; aiokafka 0.14 maps it to `UnknownError`."""

    errno = 87
    message = "INVALID_RECORD"


_INVALID_RECORD: Final = (
    InvalidRecordError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    InvalidTimestampError,
    PolicyViolationError,
    UnsupportedForMessageFormatError,
)
_PRODUCER_ID_REJECTED: Final = (
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
    """Return what to do after `error`. Unknown errors are retried, so that nothing is lost; the buffer bounds them."""
    if error is None or isinstance(error, DuplicateSequenceNumber):
        return Verdict.SENT
    if isinstance(error, _INVALID_RECORD):
        return Verdict.REFUSED
    if isinstance(error, _PRODUCER_ID_REJECTED):
        return Verdict.NEW_PRODUCER_ID
    return Verdict.RETRY
