"""Requests that the OpenAPI document allows, and many that it does not: no 500, no undocumented response.

`SPENDMETER_SCHEMA_EXAMPLES` sets the number of requests per operation, half of them invalid (210: about 5,000 in all).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from spendmeter_clickhouse import Store, StoreSettings
from spendmeter_rollups import ServiceSettings, create_app
from tests.support.service import NOW, service
from tests.support.usage import insert_usage, usage_row

EXAMPLES = int(os.environ.get("SPENDMETER_SCHEMA_EXAMPLES", "8")) // 2
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def _document(store: Store) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(create_app(store=store, settings=ServiceSettings()).openapi())


def _operations() -> list[str]:
    """The document needs no store."""
    with Store(StoreSettings(store_dsn="chdb:///nowhere")) as nowhere:
        found = [result.ok() for result in _document(nowhere).get_all_operations()]  # type: ignore[union-attr]
        return [str(operation.label) for operation in found]


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[TestClient]:
    insert_usage(store, [usage_row(number, NOW - timedelta(hours=number), latency_ms=number) for number in range(100)])
    with service(store) as client:
        yield client


@pytest.fixture(scope="module")
def document(store: Store) -> schemathesis.BaseSchema:
    return _document(store)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("label", _operations())
def test_every_operation_keeps_to_its_schema(
    client: TestClient, document: schemathesis.BaseSchema, label: str, mode: GenerationMode
) -> None:
    operation = document.find_operation_by_label(label)
    assert operation is not None
    if mode is GenerationMode.NEGATIVE and not any(operation.iter_parameters()) and not operation.body:
        # It has no parameter that could be invalid.
        mode = GenerationMode.POSITIVE

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        request = case.as_transport_kwargs(base_url="http://testserver")
        names = {"params": "params", "json": "json", "data": "content"}
        sent = {name: request[given] for given, name in names.items() if request.get(given) is not None}
        case.validate_response(client.request(request["method"], request["url"], **sent), checks=CHECKS)

    ask()
