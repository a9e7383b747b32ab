"""Fixtures of the test server: one per session with a database per module, or one per test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spendmeter_clickhouse import Store, StoreSettings, migrate
from tests.support.clickhouse_http.process import ClickHouseHttp
from tests.support.store import database_of


@pytest.fixture(scope="session")
def _http_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseHttp]:
    server = ClickHouseHttp(folder=tmp_path_factory.mktemp("clickhouse-http"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def clickhouse_http(_http_server: ClickHouseHttp) -> Iterator[ClickHouseHttp]:
    """The session's server, for fault injection. A test may stop or kill it: it is restarted for the next test."""
    if not _http_server.running():
        _http_server.start()
    try:
        yield _http_server
    finally:
        if not _http_server.running():
            _http_server.kill()
            _http_server.start()
        _http_server.faults.clear()


@pytest.fixture
def fresh_clickhouse_http(tmp_path: Path) -> Iterator[ClickHouseHttp]:
    """A server for one test, on an empty folder."""
    server = ClickHouseHttp(folder=tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def http_store(_http_server: ClickHouseHttp, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A migrated, empty store over HTTP for the tests of one module."""
    settings = StoreSettings(store_dsn=_http_server.dsn_of(database_of(request)))
    with Store(settings) as store:
        asyncio.run(migrate(store))
        yield store


@pytest.fixture(params=["chdb", "http"])
def any_dsn(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """A function from database name to DSN: once embedded, once over HTTP. The database may not exist yet."""
    if request.param == "chdb":
        request.getfixturevalue("_engine")
        folder = request.getfixturevalue("store_folder")
        return lambda database: f"chdb://{folder}?database={database}"
    server: ClickHouseHttp = request.getfixturevalue("clickhouse_http")
    return server.dsn_of


@pytest.fixture(scope="module", params=["chdb", "http"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """A migrated, empty store: once embedded, once over HTTP."""
    chosen: Store = request.getfixturevalue("chdb_store" if request.param == "chdb" else "http_store")
    return chosen
