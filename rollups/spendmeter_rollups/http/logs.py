"""Structured logs: one JSON object per line, including the fields of `extra`."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import Final

import orjson

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# JSON permits these unescaped, and identifiers may contain them: they change how a terminal shows the rest of the line.
_INVISIBLE: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class JsonFormatter(logging.Formatter):
    """Time (UTC), level, logger, message, extra fields, and the traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one line."""
        fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _INVISIBLE.sub(_escaped, orjson.dumps(line, default=str).decode())


def _escaped(letter: re.Match[str]) -> str:
    return f"\\u{ord(letter[0]):04x}"
