"""Exceptions as ClickHouse reports them over HTTP."""

from __future__ import annotations

import re
from typing import Final, Self

AUTHENTICATION_FAILED: Final = 516
SESSION_IS_LOCKED: Final = 373
NOT_IMPLEMENTED: Final = 48
_CODE: Final = re.compile(r"\bCode: (\d+)")
# src/Server/HTTP/exceptionCodeToHTTPStatus.cpp; all others are 500.
_STATUS: Final = {
    400: {6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676},
    401: {194},
    403: {192, 193, 497, 512, AUTHENTICATION_FAILED},
    404: {46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511},
    408: {159},
    411: {381},
    413: {229},
    501: {NOT_IMPLEMENTED},
    503: {76, 209, 439},
}


class ServerError(Exception):
    """An error with ClickHouse's code, its message without the version, and the HTTP status."""

    def __init__(self, *, code: int, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or next((status for status, codes in _STATUS.items() if code in codes), 500)

    @classmethod
    def of_engine(cls, error: Exception) -> Self:
        """Parse the error text of the embedded engine: `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`."""
        message = str(error)
        found = _CODE.search(message)
        if found is None:
            return cls(code=1001, message=f"Code: 1001. DB::Exception: {message} (STD_EXCEPTION)")
        return cls(code=int(found[1]), message=message[found.start() :])
