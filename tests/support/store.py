"""A real ClickHouse engine for tests: chDB, one folder per session, one database per module.

An embedded engine can open one folder per process, so modules are separated by database, not by path.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from spendmeter_clickhouse import Store, StoreSettings, migrate


@pytest.fixture(scope="session")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this session's embedded engine."""
    return tmp_path_factory.mktemp("store")


def open_store(folder: Path, database: str) -> Store:
    """Return a store on `folder`, not yet migrated."""
    return Store(StoreSettings(store_dsn=f"chdb://{folder}?database={database}"))


@pytest.fixture(scope="session")
def _engine(store_folder: Path) -> Iterator[Store]:
    # Open for the whole session: the engine stops with its last client, and each start takes a second.
    with open_store(store_folder, "keeper") as store:
        asyncio.run(migrate(store))
        yield store


@pytest.fixture(scope="module")
def chdb_store(_engine: Store, store_folder: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A migrated, empty embedded store for the tests of one module."""
    with open_store(store_folder, database_of(request)) as store:
        asyncio.run(migrate(store))
        yield store


@pytest.fixture(scope="module")
def store(request: pytest.FixtureRequest) -> Store:
    """A migrated, empty store for the tests of one module; over HTTP with SPENDMETER_TEST_STORE=http.

    Tests of the store's client use `any_store` instead, and run on both.
    """
    over_http = os.environ.get("SPENDMETER_TEST_STORE") == "http"
    chosen: Store = request.getfixturevalue("http_store" if over_http else "chdb_store")
    return chosen


def database_of(request: pytest.FixtureRequest) -> str:
    """Return the database name of a test module."""
    return "t_" + re.sub(r"\W", "_", request.module.__name__)[-50:]
