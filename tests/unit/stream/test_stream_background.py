"""A failed background task is reported until it runs again, and is restarted automatically."""

from __future__ import annotations

import asyncio
import logging

import pytest
from prometheus_client import REGISTRY

from spendmeter_stream.runtime import background
from spendmeter_stream.runtime.background import BackgroundTasks
from spendmeter_stream.runtime.health import WorkerHealth
from tests.support.until import until


def up(task: str) -> float | None:
    return REGISTRY.get_sample_value("spendmeter_background_task_up", {"task": task})


async def test_a_task_that_raises_is_reported_logged_and_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "_FIRST_BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr(background, "_PROBATION_SECONDS", 0.05)
    health, fixed = WorkerHealth(), asyncio.Event()

    async def work() -> None:
        if not fixed.is_set():
            raise KeyError("poison")
        await asyncio.Event().wait()

    running = asyncio.create_task(BackgroundTasks(health).run("follow", work))
    await until(lambda: "follow" in health.failures())
    assert health.failures()["follow"] == "KeyError: 'poison'"
    assert up("follow") == 0
    assert [record.levelno for record in caplog.records][:1] == [logging.ERROR]
    assert "background task follow failed" in caplog.text
    fixed.set()
    await until(lambda: not health.failures())
    assert up("follow") == 1
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_a_task_that_returns_is_not_started_again() -> None:
    calls: list[int] = []

    async def work() -> None:
        calls.append(1)

    await BackgroundTasks(WorkerHealth()).run("brief", work)
    assert calls == [1]


async def test_a_turn_that_raises_is_reported_until_a_later_one_succeeds() -> None:
    health = WorkerHealth()
    tasks = BackgroundTasks(health)

    async def bad() -> None:
        raise ValueError("no rows")

    async def good() -> None:
        pass

    assert not await tasks.once("turns", bad)
    assert health.failures() == {"turns": "ValueError: no rows"}
    assert up("turns") == 0
    assert await tasks.once("turns", good)
    assert not health.failures()
    assert up("turns") == 1


async def test_a_task_whose_work_is_done_is_no_longer_exported() -> None:
    health = WorkerHealth()
    tasks = BackgroundTasks(health)
    tasks.report("partition-7", "too many bad records")
    tasks.forget("partition-7")
    assert not health.failures()
    assert up("partition-7") is None
