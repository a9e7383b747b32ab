"""Orders of the call log, and the cursors of its pages.

A cursor is a position: the last call of a page and, in an order other than by time, the value that it is sorted by. A
call stored later therefore neither shifts nor repeats rows of other pages.
"""

from __future__ import annotations

import base64
import binascii
import json
from decimal import Decimal, InvalidOperation
from typing import Final, Literal
from uuid import UUID

from spendmeter_events.usage_units import OTHER_UNITS, REASONING, TOKENS
from spendmeter_rollups.calls.log_statement import Position, SortKey
from spendmeter_rollups.problems import Problem, invalid_parameter
from spendmeter_rollups.query.reader import Row
from spendmeter_rollups.query.statement import milliseconds

TIME: Final = "occurred_at"
LONGEST_CURSOR: Final = 2048
_TEXTS: Final = (
    "org_id", "user_id", "role", "class_name", "section", "feature", "action", "agent_id", "task_id",
    "configuration_id", "conversation_id", "request_id", "service", "provider", "model", "key_source",
    "pricing_status", "status", "error_type", "error_message", "streamed",
)  # fmt: skip
_FIGURES: Final = (*TOKENS, REASONING, *OTHER_UNITS, "cost", "latency_ms", "ttft_ms")
LOG_COLUMNS: Final = (TIME, *_TEXTS, *_FIGURES)
"""Columns that the log can be sorted by."""
_MAX_MILLISECONDS: Final = 2**43
_MAX_FIGURE: Final = 10**25


def sort_key(order_by: str, order: str | None) -> SortKey:
    """Return the order of the log. Default: newest or largest first, texts ascending."""
    kind: Literal["text", "figure"] | None = None if order_by == TIME else "text" if order_by in _TEXTS else "figure"
    return SortKey(order_by, kind, kind != "text" if order is None else order == "desc")


def encode_cursor(row: Row, key: SortKey) -> str:
    """Encode the position after `row`, which has `sort_value` in an order other than by time; opaque to the caller."""
    text = f"{milliseconds(row['occurred_at'])}:{row['event_id']}"
    if key.kind is not None or not key.descending:
        text = json.dumps([text, key.column, key.descending, str(row.get("sort_value", ""))], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(text: str, key: SortKey) -> Position:
    """Decode a cursor of `encode_cursor` with the same order. Raises `Problem` for any other text."""
    try:
        decoded, value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode(), ""
        if key.kind is not None or not key.descending:
            decoded, column, descending, value = json.loads(decoded)
            if (column, descending) != (key.column, key.descending) or not isinstance(value, str):
                raise _invalid_cursor()
        value.encode()
        instant, _, event_id = decoded.partition(":")
        number, figure = int(instant), Decimal(value) if key.kind == "figure" else Decimal(0)
        if not (
            0 <= number < _MAX_MILLISECONDS and figure.is_finite() and abs(figure) < _MAX_FIGURE and "\0" not in value
        ):
            raise _invalid_cursor()
        return Position(number, UUID(event_id), f"{figure:f}" if key.kind == "figure" else value)
    except (ValueError, TypeError, AttributeError, InvalidOperation, RecursionError, binascii.Error):
        raise _invalid_cursor() from None


def _invalid_cursor() -> Problem:
    return invalid_parameter("cursor", "invalid cursor", allowed=["next_cursor of an answer with the same order"])
