"""Fixtures of all tests."""

from hypothesis import HealthCheck, settings

from tests.support.board_store import board_store
from tests.support.brokers import broker, fresh_tansu, kafka, tansu
from tests.support.clickhouse_http.fixtures import (
    _http_server,
    any_dsn,
    any_store,
    clickhouse_http,
    fresh_clickhouse_http,
    http_store,
)
from tests.support.store import _engine, chdb_store, store, store_folder

__all__ = [
    "_engine",
    "_http_server",
    "any_dsn",
    "any_store",
    "board_store",
    "broker",
    "chdb_store",
    "clickhouse_http",
    "fresh_clickhouse_http",
    "fresh_tansu",
    "http_store",
    "kafka",
    "store",
    "store_folder",
    "tansu",
]

# A busy machine is not a fault of the code: disable the time limits of hypothesis.
settings.register_profile("spendmeter", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("spendmeter")
