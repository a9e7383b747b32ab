"""Open the store of a maintenance command: the one in SPENDMETER_STORE_DSN, or a stopped embedded stack's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from spendmeter_clickhouse import Store, StoreSettings, migrate
from spendmeter_deploy.embedded.folder import DataFolder
from spendmeter_deploy.errors import StartError
from spendmeter_deploy.settings import StackSettings


def embedded_folder(data_dir: Path | None) -> DataFolder | None:
    """Return the embedded stack's data folder, or None if SPENDMETER_STORE_DSN is set and `data_dir` is not."""
    if data_dir is None and "store_dsn" in StoreSettings().model_fields_set:
        return None
    return DataFolder(data_dir or StackSettings().data_dir)


@asynccontextmanager
async def offline_store(data_dir: Path | None, *, over_http: str = "") -> AsyncIterator[Store]:
    """Open the store. Only one process can open the embedded engine, so its folder is locked until the block ends.

    :param over_http: method and path that answer the same on a running stack, for the error.
    :raises StartError: a stack runs on the folder, or the folder has no store.
    """
    folder = embedded_folder(data_dir)
    if folder is None:
        with Store(StoreSettings()) as store:
            yield store
        return
    if not folder.store.is_dir():
        raise StartError(f"no store in {folder.path}; choose another --data-dir, or set SPENDMETER_STORE_DSN")
    if over_http:
        _refuse_running(folder, over_http)
    folder.acquire()
    try:
        with Store(StoreSettings(store_dsn=folder.store_dsn)) as store:
            await migrate(store)
            yield store
    finally:
        folder.release()


def _refuse_running(folder: DataFolder, over_http: str) -> None:
    """Raise `StartError` with the HTTP equivalent of a command if a stack runs on `folder`."""
    try:
        stack = folder.running_stack()
    except StartError:
        return
    method, path = over_http.split(" ", 1)
    raise StartError(
        f"a Spendmeter uses {folder.path}: send {method} {stack.url}{path} with an API key, or stop it and try again"
    )
