"""The price book behind `/v1/prices`: rates in force, and changes, which are checked before they are published."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiokafka.errors import KafkaError

from spendmeter_rollups.calls.book_prices import BookRates, PricedCall, PutRow
from spendmeter_rollups.problems import Problem, invalid_parameter, not_found
from spendmeter_stream.price_feed import PriceFeed, publish_price_rows
from spendmeter_stream.pricing import PriceBook, PriceBookWatcher
from spendmeter_stream.pricing.book.index import CallKind
from spendmeter_stream.pricing.explain import rates_at
from spendmeter_stream.pricing.row_key import key_of
from spendmeter_stream.runtime.background import BackgroundTasks
from spendmeter_stream.runtime.health import WorkerHealth
from spendmeter_stream.settings import StreamSettings

_ACKNOWLEDGE_SECONDS: Final = 15.0


class BookDesk:
    """Reads the book of `watcher`, which a price feed keeps up to date, and publishes rows to the price topic."""

    def __init__(self, watcher: PriceBookWatcher, client_options: dict[str, Any]) -> None:
        self._watcher = watcher
        self._client_options = client_options
        self.ready = True
        """Whether the rows of the topic were read since the start."""

    async def rates(self, call: PricedCall) -> BookRates:
        """Return the rates in force, as the worker prices a call. Raises `Problem` (503) before the topic was read."""
        book = self._current().book
        # Resolving a model that was not used yet takes milliseconds.
        return await asyncio.to_thread(_rates, book, call)

    async def put(self, key: str, row: Mapping[str, Any] | None, *, dry_run: bool) -> PutRow:
        """Check a row against the book and publish it. Raises `Problem`."""
        watcher = self._current()
        earlier = watcher.rows.get(key)
        if row is None and earlier is None:
            raise not_found("key", "no row with this key is on the topic")
        book, faults = await asyncio.to_thread(watcher.with_record, key, row)
        for fault in faults.values():
            raise invalid_parameter("row", "; ".join(str(fault).splitlines()))
        if not dry_run:
            await self._publish(key, row)
        return PutRow(book.version, earlier)

    def key_of(self, row: Mapping[str, Any]) -> str:
        """Return the default key of a row."""
        return key_of(row)

    def _current(self) -> PriceBookWatcher:
        if not self.ready:
            raise _unavailable("the rows of the price topic were not read yet")
        return self._watcher

    async def _publish(self, key: str, row: Mapping[str, Any] | None) -> None:
        try:
            async with asyncio.timeout(_ACKNOWLEDGE_SECONDS):
                await publish_price_rows(self._client_options, {key: row})
        except (KafkaError, OSError, TimeoutError):
            raise _unavailable("Kafka did not acknowledge the row") from None


@contextlib.asynccontextmanager
async def following_desk(settings: StreamSettings) -> AsyncIterator[BookDesk]:
    """Yield a desk that follows the price topic by itself, for a process without a worker."""
    watcher = await asyncio.to_thread(PriceBookWatcher, directory=settings.prices_path)
    feed = PriceFeed(watcher=watcher, client_options=settings.client_options(), tasks=BackgroundTasks(WorkerHealth()))
    desk = BookDesk(watcher, settings.client_options())
    desk.ready = False

    async def start() -> None:
        # Waits for Kafka; until then, other routes answer.
        await feed.start()
        desk.ready = True

    starting = asyncio.create_task(start(), name="price feed")
    try:
        yield desk
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await feed.stop()


def _rates(book: PriceBook, call: PricedCall) -> BookRates:
    kind = CallKind(call.provider, call.model, call.service_tier, call.region, call.org)
    at_ms = round(call.at.timestamp() * 1000)
    return BookRates(book.version, rates_at(book, kind, at_ms=at_ms, prompt=call.prompt_tokens))


def _unavailable(detail: str) -> Problem:
    return Problem(
        status=503, kind="not-ready", title="Not ready", detail=f"{detail}: try again", headers={"Retry-After": "2"}
    )
