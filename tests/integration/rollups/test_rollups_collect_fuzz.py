"""Damaged bodies at every endpoint of the collector: a result or a refusal, and never an internal error."""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spendmeter_clickhouse import Store
from spendmeter_events import KafkaConnection
from spendmeter_rollups import ServiceSettings
from spendmeter_rollups.app import create_collector
from spendmeter_rollups.collect.event_publisher import EventPublisher
from tests.support.collector import ADMIN
from tests.support.kafka.process import free_port
from tests.support.records import event_fields
from tests.support.service import ADMIN_KEY
from tests.support.tool_payloads import litellm_payload, otlp_document, otlp_span

CLOUD = {"specversion": "1.0", "id": "1", "source": "/tutor", "type": "call", "data": event_fields(2)}
ENDPOINTS: dict[str, Any] = {
    "/v1/events": [event_fields(1, tags={"class": "5b"}, audio_seconds=1.5), CLOUD],
    "/v1/litellm": [
        litellm_payload(),
        litellm_payload(None, status="failure", error_information={"error_code": "429"}),
    ],
    "/v1/traces": otlp_document(otlp_span(1), otlp_span(2, parentSpanId=f"{1:016x}"), **{"spendmeter.org_id": "acme"}),
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["", "\ud800", "\x00", "1e999", "9" * 5000, "-1", "2026-13-01", [], {}, [[]], {"a": {"b": []}}]),
)
"""Values that a field does not expect; a lone surrogate is valid JSON, but not valid UTF-8."""


@pytest.fixture(scope="module")
def app(store: Store) -> Iterator[Any]:
    publisher = EventPublisher(KafkaConnection(bootstrap_servers=f"127.0.0.1:{free_port()}"))
    limits = ServiceSettings(admin_key=ADMIN_KEY, requests_per_minute=0)
    created = create_collector(store=store, settings=limits, publisher=publisher)
    yield created
    created.state.service.close()


def post(app: Any, path: str, body: bytes, **headers: str) -> int:
    async def send() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers={**ADMIN, **headers}) as http:
            return (await http.post(path, content=body)).status_code

    return asyncio.run(send())


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, each in inner:
        yield (*path, key)
        yield from places(each, (*path, key))


def damaged(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = json.loads(json.dumps(document))
    owner = changed
    for key in path[:-1]:
        owner = owner[key]
    owner[path[-1]] = copy.deepcopy(value)
    return changed


PLACES = [(endpoint, path) for endpoint, document in ENDPOINTS.items() for path in places(document)]


EXAMPLES: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}


@settings(max_examples=250, **EXAMPLES)
@given(place=st.sampled_from(PLACES), value=ODD)
def test_no_value_of_a_field_is_an_internal_error(app: Any, place: tuple[str, tuple[Any, ...]], value: Any) -> None:
    endpoint, path = place
    body = json.dumps(damaged(ENDPOINTS[endpoint], path, value)).encode()
    # 503: accepted, but this collector has no Kafka.
    assert post(app, endpoint, body, **{"Content-Type": "application/json"}) in (200, 207, 400, 422, 503)


@settings(max_examples=60, **EXAMPLES)
@given(
    endpoint=st.sampled_from([*ENDPOINTS]),
    kind=st.sampled_from(["application/json", "application/x-protobuf", "application/cloudevents+json", "text/plain"]),
    encoding=st.sampled_from(["", "gzip", "zstd", "br"]),
    body=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=50).map(gzip.compress),
        st.integers(0, 120).map(lambda cut: ExportTraceServiceRequest.FromString(b"").SerializeToString() + bytes(cut)),
        st.integers(1, 5000).map(lambda depth: b"[" * depth),
        st.integers(1, 5000).map(lambda depth: b'{"a":' * depth),
    ),
)
def test_no_body_is_an_internal_error(app: Any, endpoint: str, kind: str, encoding: str, body: bytes) -> None:
    status = post(app, endpoint, body, **{"Content-Type": kind, "Content-Encoding": encoding})
    assert status in (200, 207, 400, 413, 415, 422, 503)
