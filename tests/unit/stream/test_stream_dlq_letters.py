"""Fields of a dead letter, and filters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spendmeter_stream.dlq import DeadLetter, Filter
from spendmeter_stream.dlq.dead_letters import dead_letter_headers
from spendmeter_stream.dlq.letters import dead_letter
from spendmeter_stream.poison import Rejected
from tests.support.records import FakeRecord, record

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def letter(*, attempts: int = 0, **changes: Any) -> DeadLetter:
    source = replace(record(1, offset=41), partition=3, headers=[("attempts", str(attempts).encode())])
    headers = dead_letter_headers(source, Rejected(41, "not_json", "Invalid JSON"))
    stored = FakeRecord(
        offset=7, key=source.key, value=source.value, timestamp=int(AT.timestamp() * 1000), headers=headers
    )
    return dead_letter(replace(stored, **changes))


def test_it_shows_the_log_of_the_worker() -> None:
    found = letter(attempts=1)
    assert (found.partition, found.offset, found.at) == (0, 7, AT)
    assert (found.from_partition, found.from_offset) == (3, 41)
    assert (found.code, found.message, found.attempts) == ("not_json", "Invalid JSON", 2)
    assert (found.key, found.value) == (record(1).key, record(1).value)
    assert not found.truncated


@pytest.mark.parametrize("headers", [[], [("attempts", b"many"), ("offset", b"-4"), ("error_code", b"\xff")]])
def test_torn_headers_read_as_unknown(headers: list[tuple[str, bytes]]) -> None:
    found = letter(headers=headers)
    assert (found.attempts, found.from_offset, found.from_partition) == (1, -1, -1)
    assert found.code in ("unknown", "\N{REPLACEMENT CHARACTER}")


def test_a_cut_record_is_known_as_such() -> None:
    assert letter(headers=[("truncated", b"9000000")]).truncated


def test_the_same_content_has_the_same_fingerprint_in_any_place() -> None:
    assert letter().fingerprint == letter(attempts=3, offset=99).fingerprint
    assert letter().fingerprint != letter(value=b"{}").fingerprint
    assert letter().fingerprint != letter(key=b"another").fingerprint


@pytest.mark.parametrize(
    ("chosen", "takes"),
    [
        (Filter(), True),
        (Filter(code="not_json"), True),
        (Filter(code="too_large"), False),
        (Filter(partition=3), True),
        (Filter(partition=0), False),
        (Filter(offset=7), True),
        (Filter(offset=41), False),
        (Filter(since=AT), True),
        (Filter(since=AT + timedelta(milliseconds=1)), False),
        (Filter(code="not_json", partition=0), False),
    ],
)
def test_every_condition_of_a_filter_must_hold(chosen: Filter, takes: bool) -> None:
    assert chosen.matches(letter()) is takes
