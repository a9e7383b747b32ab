"""The answer cache is bounded by bytes and age, and shares computations in progress (row L3)."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from spendmeter_clickhouse import StoreError
from spendmeter_rollups.http.cache import AnswerCache, Cached

MEGABYTE = 2**20


async def _large(number: int) -> Cached:
    return Cached(bytes(MEGABYTE), f"{number}")


async def test_bytes_are_bounded_however_many_questions_there_are() -> None:
    cache = AnswerCache(seconds=300, most_bytes=8 * MEGABYTE)
    for number in range(1000):
        await cache.get(number, partial(_large, number))
        assert cache.size <= 8 * MEGABYTE
    assert cache.size > 6 * MEGABYTE


async def test_expired_entries_leave_memory_without_look_ups() -> None:
    now = 0.0
    cache = AnswerCache(seconds=10, most_bytes=8 * MEGABYTE, clock=lambda: now)
    await cache.get("old", lambda: _large(1))
    now = 11.0
    await cache.get("tiny", lambda: asyncio.sleep(0, Cached(b"{}", "2")))
    assert cache.size < MEGABYTE


async def test_an_answer_that_would_drive_out_all_others_is_not_kept() -> None:
    cache = AnswerCache(seconds=300, most_bytes=2 * MEGABYTE)
    asked = 0

    async def compute() -> Cached:
        nonlocal asked
        asked += 1
        return await _large(asked)

    assert (await cache.get("large", compute)).etag == "1"
    assert (await cache.get("large", compute)).etag == "2"
    assert cache.size == 0


async def test_requests_for_the_same_question_share_one_answer() -> None:
    cache = AnswerCache(seconds=300, most_bytes=8 * MEGABYTE)
    asked = 0

    async def compute() -> Cached:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return Cached(b"{}", "tag")

    first = asyncio.create_task(cache.get("same", compute))
    others = [asyncio.create_task(cache.get("same", compute)) for _ in range(10)]
    await asyncio.sleep(0)
    first.cancel()
    assert [answer.etag for answer in await asyncio.gather(*others)] == ["tag"] * 10
    assert asked == 1


async def test_failures_are_not_kept() -> None:
    cache = AnswerCache(seconds=300, most_bytes=8 * MEGABYTE)

    async def fail() -> Cached:
        raise StoreError

    for _ in range(2):
        with pytest.raises(StoreError):
            await cache.get("same", fail)
    assert (await cache.get("same", lambda: _large(1))).etag == "1"
