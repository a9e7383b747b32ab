"""Parse ClickHouse HTTP requests: https://clickhouse.com/docs/interfaces/http. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.support.clickhouse_http.errors import ServerError

# ClickHouse's default limits: requests beyond them are rejected in production, and therefore here.
MAX_URI_BYTES: Final = 1_048_576
MAX_FIELD_BYTES: Final = 131_072

# Parameters of the HTTP handler. All others are settings.
_RESERVED: Final = frozenset(
    {
        "query", "database", "default_format", "user", "password", "quota_key", "query_id", "stacktrace", "role",
        "buffer_size", "wait_end_of_query", "compress", "decompress", "session_id", "session_timeout",
        "session_check", "close_session", "client_protocol_version", "enable_http_compression",
        "send_progress_in_http_headers", "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close",
    }
)  # fmt: skip
_INSERT: Final = re.compile(
    rb"^\s*(?P<head>INSERT\s+INTO\s+[^;]*?)\s+FORMAT\s+(?P<format>\w+)[ \t]*\r?(?:\n|$)", re.IGNORECASE | re.DOTALL
)
_SELECT: Final = re.compile(rb"\bSELECT\b", re.IGNORECASE)
_FORMAT: Final = re.compile(rb"\bFORMAT\s+(?P<format>\w+)\s*;?\s*$", re.IGNORECASE)
_LONGEST_HEAD: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement, ready for the engine."""

    text: bytes
    data: bytes | None
    """Rows of an `INSERT … FORMAT x`; `text` ends before them."""
    format: str | None
    """Format of the result, or of `data`; None if the statement has none."""
    default_format: str
    database: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    read_only: bool


def read_statement(fields: Mapping[str, str], body: bytes, *, database: str, read_only: bool) -> Statement:
    """Return the statement of a request; the query may start in the URL or form `fields` and continue in `body`."""
    query = fields.get("query", "").encode()
    text = query + b"\n" + body if query and body else query or body
    insert = _data_insert(text)
    named = insert or _FORMAT.search(text[-200:])
    return Statement(
        text=insert["head"] if insert else text,
        data=text[insert.end() :] if insert else None,
        format=named["format"].decode() if named else None,
        default_format=fields.get("default_format", "TabSeparated"),
        database=fields.get("database") or database,
        settings={name: value for name, value in fields.items() if _is_setting(name)},
        parameters={name[6:]: value for name, value in fields.items() if name.startswith("param_")},
        read_only=read_only,
    )


def check_url(raw_query: str) -> None:
    """Reject a URL field that ClickHouse would reject; lengths are those of the encoded bytes."""
    for field in raw_query.split("&"):
        check_field(field.partition("=")[2])


def check_field(value: str | bytes) -> None:
    """Reject a field whose value ClickHouse would reject.

    :raises ServerError: longer than `http_max_field_value_size`.
    """
    if len(value) > MAX_FIELD_BYTES:
        message = "Poco::Exception. Code: 1000, e.code() = 0, HTML Form Exception: Field value too long"
        raise ServerError(code=1000, message=message)


def _data_insert(text: bytes) -> re.Match[bytes] | None:
    found = _INSERT.match(text[:_LONGEST_HEAD])
    if found is None or found["format"].upper() == b"VALUES" or _SELECT.search(found["head"]):
        return None
    return found


def _is_setting(name: str) -> bool:
    return name not in _RESERVED and not name.startswith("param_")
