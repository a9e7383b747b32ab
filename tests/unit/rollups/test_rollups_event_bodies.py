"""Bodies of `POST /v1/events`: every form is the same list of events, and no body raises anything but a problem."""

from __future__ import annotations

import gzip
import json
from typing import Any

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spendmeter_events.normalize.record import InvalidRecord, event_of
from spendmeter_rollups.collect import event_bodies
from spendmeter_rollups.collect.event_bodies import MOST_EVENT_BODY_BYTES, contents, decompressed
from spendmeter_rollups.problems import Problem

ONE, TWO = {"event_id": "a"}, {"event_id": "b"}
_LINES = json.dumps(ONE).encode() + b"\r\n\n" + json.dumps(TWO).encode() + b"\n"


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/json", ""])
def test_an_array_and_lines_are_the_same_events_whatever_the_content_type(kind: str) -> None:
    headers = {"content-type": kind}
    assert contents(json.dumps([ONE, TWO], indent=2).encode(), headers) == [ONE, TWO]
    assert contents(_LINES, headers) == [ONE, TWO]
    assert contents(json.dumps(ONE).encode(), headers) == [ONE]


@pytest.mark.parametrize("body", [json.dumps([ONE, TWO]).encode(), _LINES])
def test_a_byte_order_mark_is_ignored(body: bytes) -> None:
    assert contents(b"\xef\xbb\xbf" + body, {}) == [ONE, TWO]


@pytest.mark.parametrize("body", [b"", b"\xef\xbb\xbf", b" ", b"\n\r\n", b"[]", b" [ ]\n"])
@pytest.mark.parametrize("headers", [{}, {"ce-specversion": "1.0", "ce-id": "7"}])
def test_a_body_without_events_is_refused(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(Problem) as refusal:
        contents(body, headers)
    assert refusal.value.status == 400
    assert "send a JSON object, an array of them, or one per line" in refusal.value.detail


def test_a_line_that_is_not_json_does_not_affect_the_others() -> None:
    first, bad, last = contents(b'{"event_id": "a"}\n{oops\n{"event_id": "b"}', {})
    assert (first, last) == (ONE, TWO)
    assert isinstance(bad, InvalidRecord)


def test_headers_are_the_attributes_of_a_binary_cloud_event() -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/caf%C3%A9", "ce-type": '"call"', "x": "y"}
    (found,) = contents(json.dumps(ONE).encode(), headers)
    assert found == {"specversion": "1.0", "id": "7", "source": "/café", "type": "call", "data": ONE}
    structured = {**headers, "content-type": "application/cloudevents+json; charset=utf-8"}
    assert contents(json.dumps(ONE).encode(), structured) == [ONE]


def test_events_that_share_the_id_of_a_binary_cloud_event_are_refused() -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/s", "ce-type": "call"}
    first, second, own = contents(json.dumps([{"images": 1}, {"images": 2}, ONE]).encode(), headers)
    for each in (first, second):
        assert isinstance(each, InvalidRecord), "the second would be dropped as a duplicate"
    assert own["data"] == ONE
    structured = {**headers, "content-type": "Application/CloudEvents+JSON"}
    assert contents(json.dumps(ONE).encode(), structured) == [ONE]


def test_compressed_bodies_are_read_up_to_the_limit() -> None:
    packers: dict[str, Any] = {"gzip": gzip.compress, "zstd": lambda data: bytes(cramjam.zstd.compress(data))}
    for encoding, pack in packers.items():
        assert decompressed(pack(_LINES), f" {encoding.upper()} ") == _LINES
        with pytest.raises(Problem) as refusal:
            decompressed(pack(bytes(MOST_EVENT_BODY_BYTES + 1)), encoding)
        assert refusal.value.status == 413
        with pytest.raises(Problem) as refusal:
            decompressed(pack(_LINES)[:-9], encoding)
        assert refusal.value.status == 400
    with pytest.raises(Problem) as refusal:
        decompressed(_LINES, "br")
    assert refusal.value.status == 415


def test_every_member_of_a_gzip_body_is_read() -> None:
    first, second = (json.dumps(each).encode() + b"\n" for each in (ONE, TWO))
    body = gzip.compress(first) + gzip.compress(second)
    assert contents(decompressed(body, "gzip"), {}) == [ONE, TWO]
    with pytest.raises(Problem) as refusal:
        decompressed(gzip.compress(first) + second, "gzip")
    assert refusal.value.status == 400, "what follows a member is not ignored"
    with pytest.raises(Problem) as refusal:
        decompressed(gzip.compress(bytes(MOST_EVENT_BODY_BYTES)) + gzip.compress(b"1"), "gzip")
    assert refusal.value.status == 413
    with pytest.raises(Problem) as refusal:
        decompressed(gzip.compress(b"") * 200_000, "gzip")
    assert refusal.value.status == 413


def test_too_many_events_are_refused() -> None:
    for body in (b"1\n" * 10_001, json.dumps([1] * 10_001).encode()):
        with pytest.raises(Problem) as refusal:
            contents(body, {})
        assert refusal.value.status == 413


def test_too_many_lines_are_refused_before_any_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    monkeypatch.setattr(event_bodies, "_line", parsed.append)
    with pytest.raises(Problem):
        contents(b"x\n" * 10_001, {})
    assert not parsed


_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["specversion", "id", "data"]), inner),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(
    body=st.binary(max_size=60) | _VALUE.map(lambda value: json.dumps(value).encode()),
    encoding=st.sampled_from(["", "gzip", "zstd"]),
    headers=st.dictionaries(st.sampled_from(["ce-specversion", "ce-id", "content-type"]), st.text(max_size=5)),
)
def test_no_body_fails_unexpectedly(body: bytes, encoding: str, headers: dict[str, str]) -> None:
    try:
        found = contents(decompressed(body, encoding), headers)
    except Problem:
        return
    for content in found:
        if not isinstance(content, InvalidRecord):
            with pytest.raises(InvalidRecord):
                event_of(content)
