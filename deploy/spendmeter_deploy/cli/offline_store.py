"""The store for a command that works on it alone: the configured one, or a stopped stack's folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from spendmeter_clickhouse import Store, StoreSettings, migrate
from spendmeter_deploy.embedded.folder import DataFolder
from spendmeter_deploy.errors import StartError
from spendmeter_deploy.settings import StackSettings


def embedded_folder(data_dir: Path | None) -> DataFolder | None:
    """The folder of the embedded stack; None where SPENDMETER_STORE_DSN names another store."""
    if data_dir is None and "store_dsn" in StoreSettings().model_fields_set:
        return None
    return DataFolder(data_dir or StackSettings().data_dir)


@asynccontextmanager
async def offline_store(data_dir: Path | None) -> AsyncIterator[Store]:
    """Open the store. The embedded engine belongs to one process, so its folder is locked meanwhile.

    :raises StartError: the stack of that folder runs, or it has never run.
    """
    folder = embedded_folder(data_dir)
    if folder is None:
        with Store(StoreSettings()) as store:
            yield store
        return
    if not folder.store.is_dir():
        raise StartError(f"{folder.path} has no store: name another --data-dir, or set SPENDMETER_STORE_DSN")
    folder.acquire()
    try:
        with Store(StoreSettings(store_dsn=folder.store_dsn)) as store:
            await migrate(store)
            yield store
    finally:
        folder.release()
