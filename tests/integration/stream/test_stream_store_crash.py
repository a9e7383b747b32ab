"""The store dies during an insert; after a restart, a retry stores the block exactly once."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import suppress
from typing import Final

import pytest

from spendmeter_clickhouse import Store, StoreSettings, StoreUnreachableError, migrate
from spendmeter_stream.journal.intents import OffsetRange
from spendmeter_stream.journal.landed_rows import with_landed_rows
from spendmeter_stream.journal.suspects import open_suspects
from spendmeter_stream.recovery.confirm import confirm
from spendmeter_stream.recovery.reconcile import reconcile
from tests.support.blocks import HERE, block_of, books_of, events_around_a_month_boundary, insert_block, read_books
from tests.support.chunks import Group
from tests.support.clickhouse_http.process import ClickHouseHttp

_KILLS: Final = int(os.environ.get("SPENDMETER_TEST_KILLS", "4"))
_EVENTS: Final = 1000


@pytest.mark.slow
@pytest.mark.parametrize("replay", [False, True], ids=["the worker lived on", "another worker replays"])
async def test_a_kill_in_the_middle_of_an_insert(fresh_clickhouse_http: ClickHouseHttp, replay: bool) -> None:
    rng = random.Random(20261122 + replay)
    server = fresh_clickhouse_http
    with Store(StoreSettings(store_dsn=server.dsn)) as store:
        await migrate(store)
        session = store.session("test")
        stored = []
        for number in range(_KILLS):
            first = number * _EVENTS
            events = events_around_a_month_boundary(_EVENTS, first=first + 1)
            block = block_of(events, first_offset=first)
            token = f"{first}"
            # Two months in each of six tables: the insert dies after some of twelve parts were committed.
            server.die_at_rename(rng.randint(1, 12))
            with suppress(StoreUnreachableError):
                await insert_block(session, block, token)
            await asyncio.to_thread(server.wait_until_dead)
            server.start()
            if replay:
                rebuilt = block_of(events, first_offset=first)
                block = await with_landed_rows(session, rebuilt, HERE, OffsetRange(first, first + _EVENTS))
            await insert_block(session, block, token)
            await confirm(session, block, HERE, OffsetRange(first, first + _EVENTS))
            # As the leading worker does next: no retried block contains the lost part of a rollup.
            await reconcile(session, await open_suspects(session), Group(HERE.topic_id).stream())
            stored.append(block)
            assert await read_books(session) == books_of(*stored), f"kill {number}"
