"""A dead letter has its origin, its reason and its number of attempts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spendmeter_stream.dlq.dead_letters import dead_letter_headers, original_headers
from spendmeter_stream.poison import Rejected
from tests.support.records import record

WHY = Rejected(41, "not_json", "Invalid JSON: expected value")


def test_headers_name_the_place_and_the_reason() -> None:
    headers = dict(dead_letter_headers(replace(record(1, offset=41), partition=3), WHY))
    assert headers == {
        "topic": b"spendmeter.usage.v1",
        "partition": b"3",
        "offset": b"41",
        "error_code": b"not_json",
        "error_message": b"Invalid JSON: expected value",
        "version": b"1",
        "attempts": b"1",
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, b"1"), (b"1", b"2"), (b"41", b"42"), (b"", b"1"), (b"-3", b"1"), (b"9" * 99, b"1"), (b"x", b"1")],
)
def test_attempts_are_counted_with_any_header_value(before: bytes | None, after: bytes) -> None:
    again = replace(record(1), headers=[("attempts", before)])
    assert dict(dead_letter_headers(again, WHY))["attempts"] == after


def test_the_headers_of_the_record_are_kept_whatever_they_hold() -> None:
    theirs = [("topic", b"x"), ("null", None), ("\\xff", b"\xff"), ("original.a", b""), ("topic", b"y")]
    headers = dead_letter_headers(replace(record(1), headers=[*theirs, ("attempts", b"2")]), WHY)
    assert dict(headers)["topic"] == b"spendmeter.usage.v1"
    assert dict(headers)["attempts"] == b"3"
    assert original_headers(headers) == theirs
