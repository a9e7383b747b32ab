"""Delivery to a collector over HTTP: what each response means for the events of the request."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from spendmeter_events import DropReason, HttpConnection, ProducerSettings, UsageEvent, UsageProducer
from spendmeter_events._delivery.buffer import Buffer, Record
from spendmeter_events._delivery.http_delivery import HttpDelivery
from spendmeter_events._delivery.losses import Losses

_OK: dict[str, str] = {}
Scripted = tuple[int, dict[str, str], Any]


class _Collector:
    """A server with scripted responses; afterwards it accepts everything."""

    def __init__(self, *scripted: Scripted) -> None:
        self.scripted = list(scripted)
        self.requests: list[tuple[str, dict[str, str], list[Any]]] = []
        self.url = ""
        self.hangs_up = False
        """Close the connection after each response, without a header that says so."""

    def answer(self, events: list[Any]) -> Scripted:
        if self.scripted:
            return self.scripted.pop(0)
        return 200, _OK, {"results": [{"index": at, "status": "accepted"} for at in range(len(events))]}

    @contextmanager
    def served(self) -> Iterator[_Collector]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
                events = [json.loads(line) for line in body.splitlines()]
                collector.requests.append((self.path, dict(self.headers), events))
                status, headers, answer = collector.answer(events)
                content = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
                self.close_connection = collector.hangs_up

            def log_message(self, *_: object) -> None: ...

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            self.url = f"http://127.0.0.1:{server.server_port}"
            yield self
            server.shutdown()


def _events(count: int) -> list[UsageEvent]:
    return [
        UsageEvent.now(org_id="o", feature="f", provider="p", model="m", input_tokens=number) for number in range(count)
    ]


async def _send(collector: _Collector, count: int) -> UsageProducer:
    connection = HttpConnection(url=f"{collector.url}/prefix/", key="sm_key")
    settings = ProducerSettings(retry_backoff_s=0.01, retry_backoff_max_s=0.02)
    async with UsageProducer(connection=connection, settings=settings) as producer:
        for event in _events(count):
            assert producer.emit(event)
        await producer.flush()
    return producer


async def test_events_arrive_with_the_key() -> None:
    with _Collector().served() as collector:
        producer = await _send(collector, 3)
    ((path, headers, events),) = collector.requests
    assert (path, headers["Authorization"]) == ("/prefix/v1/events", "Bearer sm_key")
    assert [event.get("input_tokens", 0) for event in events] == [0, 1, 2]
    assert (producer.stats.sent, producer.stats.lost) == (3, 0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 415, 422, 429, 500, 503])
async def test_a_request_that_is_not_accepted_is_sent_again(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), _Collector((status, _OK, {})).served() as collector:
        producer = await _send(collector, 2)
    assert [len(events) for _, _, events in collector.requests] == [2, 2]
    assert (producer.stats.sent, producer.stats.failed_attempts) == (2, 1)
    assert f"retrying: status {status}" in caplog.text
    assert "sm_key" not in caplog.text


def _delivery(collector: _Collector, *, request_timeout_s: float = 10.0) -> HttpDelivery:
    buffer = Buffer(max_events=10, max_bytes=1000)
    assert buffer.put(Record.of(bytes(16), b"{}", timestamp_ms=0))
    return HttpDelivery(
        connection=HttpConnection(url=collector.url),
        settings=ProducerSettings(request_timeout_s=request_timeout_s),
        buffer=buffer,
        losses=Losses(),
        clock=lambda: 100.0,
    )


async def test_retry_after_is_respected() -> None:
    with _Collector((503, {"Retry-After": "7"}, {})).served() as collector:
        delivery = _delivery(collector)
        await delivery.round()
        await delivery.round()  # still in the back-off
        await delivery.close()
    assert len(collector.requests) == 1
    assert delivery.seconds_until_reconnect() == 7


async def test_an_unexpected_error_does_not_end_the_sending() -> None:
    """Given a timeout that no socket can have, then its OverflowError is reported."""
    with _Collector().served() as collector:
        delivery = _delivery(collector, request_timeout_s=1e30)
        await delivery.round()
    assert (delivery.failed_attempts, delivery.last_error[:13]) == (1, "OverflowError")


async def test_a_refused_event_is_dropped_alone() -> None:
    results = [
        {"index": 0, "status": "accepted"},
        {"index": 1, "status": "refused", "code": "forbidden_org", "reason": "org_id: another org"},
    ]
    with _Collector((207, _OK, {"results": results})).served() as collector:
        producer = await _send(collector, 2)
    assert producer.stats.sent == 1
    assert producer.stats.dropped == {DropReason.REFUSED: 1}


async def test_a_body_that_is_too_large_is_halved() -> None:
    with _Collector((413, _OK, {}), (413, _OK, {})).served() as collector:
        producer = await _send(collector, 4)
    assert [len(events) for _, _, events in collector.requests] == [4, 2, 1, 1, 2]
    assert producer.stats.sent == 4


async def test_a_closed_idle_connection_is_no_failure() -> None:
    with _Collector().served() as collector:
        collector.hangs_up = True
        async with UsageProducer(connection=HttpConnection(url=collector.url)) as producer:
            for event in _events(3):
                assert producer.emit(event)
                await producer.flush()
    assert len(collector.requests) == 3
    assert (producer.stats.sent, producer.stats.failed_attempts) == (3, 0)


@pytest.mark.parametrize("url", ["", "collector:8081", "ftp://host", "http://", "http://u:p@host", "http://host?x=1"])
def test_invalid_urls(url: str) -> None:
    with pytest.raises(ValueError, match="url must be"):
        HttpConnection(url=url)
