"""Keep the rows of the price topic in the data folder: the embedded broker has no disk."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from spendmeter_deploy.errors import StartError
from spendmeter_stream.price_feed import publish_price_rows
from spendmeter_stream.pricing import PriceBookWatcher

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 1.0


async def restore_rows(file: Path, client_options: dict[str, Any]) -> None:
    """Publish the saved rows to the price topic. Raises `StartError` for a file that cannot be read."""
    try:
        rows = await asyncio.to_thread(_saved, file)
    except (OSError, ValueError) as error:
        raise StartError(f"cannot read the price rows in {file}: {error}. Repair the file, or remove it") from None
    if rows:
        await publish_price_rows(client_options, rows)


def _saved(file: Path) -> dict[str, Any]:
    rows: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return rows


@contextlib.asynccontextmanager
async def saving_rows(file: Path, watcher: PriceBookWatcher) -> AsyncIterator[None]:
    """Save the rows of the topic whenever they change. They must have been read before."""
    saving = asyncio.create_task(_save_changes(file, watcher), name="save price rows")
    try:
        yield
    finally:
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)


async def _save_changes(file: Path, watcher: PriceBookWatcher) -> None:
    saved = dict(watcher.rows)
    try:
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            if watcher.rows != saved and _save(file, watcher):
                saved = dict(watcher.rows)
    finally:
        if watcher.rows != saved:
            _save(file, watcher)


def _save(file: Path, watcher: PriceBookWatcher) -> bool:
    new = file.with_suffix(".new")
    try:
        # Contracts may be in them: readable by the owner only.
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as text:
            json.dump(dict(watcher.rows), text, indent=1)
        new.replace(file)
    except OSError as error:
        log.warning("cannot save the price rows to %s: %s; they are lost at the next start", file, error)
        return False
    return True
