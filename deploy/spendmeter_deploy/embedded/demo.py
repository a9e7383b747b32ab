"""`spendmeter demo`: believable traffic through the real broker and worker, a summary, and the boards' answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from spendmeter_deploy.embedded.broker import die_with_parent
from spendmeter_deploy.embedded.demo_summary import show_summary
from spendmeter_deploy.embedded.greeting import introduce
from spendmeter_deploy.embedded.stack import EmbeddedStack, embedded_stack
from spendmeter_deploy.ending import current_ending
from spendmeter_deploy.errors import StartError
from spendmeter_deploy.settings import StackSettings
from spendmeter_events import DirectoryPublisher, UserEntry
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.traffic import directory


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What traffic to make, and whether to go on serving it."""

    days: int
    seed: int
    exit: bool


@dataclass(frozen=True, slots=True)
class Traffic:
    """A stretch of demo traffic. The same seed and hours make the same events, ids included."""

    seed: int
    days: float
    end: datetime


async def run_demo(settings: StackSettings, options: DemoOptions) -> None:
    """Seed the data folder up to this hour, show the summary, and serve until told to stop."""
    console = Console()
    async with embedded_stack(settings) as stack:
        note = stack.folder.path / "demo.json"
        await _seed(stack, _missing(note, options), console)
        note.write_text(json.dumps({"seed": options.seed, "end": _this_hour().isoformat()}))
        await show_summary(stack, console)
        if options.exit:
            return
        introduce(stack, console)
        await current_ending().told()


def _missing(note: Path, options: DemoOptions) -> Traffic:
    """What this folder lacks: everything, or the hours since it was seeded last."""
    end = _this_hour()
    days = float(options.days)
    try:
        seeded = json.loads(note.read_text())
        if seeded["seed"] == options.seed:
            days = min(days, (end - datetime.fromisoformat(seeded["end"])) / timedelta(days=1))
    except (OSError, ValueError, KeyError):
        # Never seeded, or interrupted: emitting again adds only what is not stored yet.
        pass
    return Traffic(options.seed, days, end)


async def _seed(stack: EmbeddedStack, traffic: Traffic, console: Console) -> None:
    """Emit the traffic from a process of its own, as services do, and wait until the worker has stored it."""
    if traffic.days <= 0:
        console.print(f"{stack.folder.path} is seeded up to this hour.", style="dim")
        return
    await _introduce_everyone(stack, traffic.seed)
    async with _merged_afterwards(stack):
        sent, started = await _emit(stack, traffic, console)
        if not await stack.caught_up(timeout=600):
            raise StartError("the worker did not catch up with the traffic in 10 minutes; see the log above")
    seconds = time.monotonic() - started
    console.print(
        f"{sent:,} events of {traffic.days:.4g} days emitted, priced and stored in {seconds:.1f} s"
        f" ([bold]{sent / seconds:,.0f} events/s[/])"
    )


@contextlib.asynccontextmanager
async def _merged_afterwards(stack: EmbeddedStack) -> AsyncIterator[None]:
    """Let the store merge parts when the load is over, as is usual for a bulk load: once, and not again and again.

    The demo makes some twenty parts a month and table; ClickHouse slows inserts down at a thousand.
    """
    with stack.store.session("merges") as session:
        await session.command("SYSTEM STOP MERGES")
        try:
            yield
        finally:
            await session.command("SYSTEM START MERGES")


async def _introduce_everyone(stack: EmbeddedStack, seed: int) -> None:
    """Publish the directory, and wait until the worker knows it: events are stamped with roles and classes."""
    entries = directory(seed)
    async with DirectoryPublisher(connection=KafkaConnection(bootstrap_servers=stack.broker.bootstrap)) as publisher:
        await publisher.publish(*entries)
    users = {(entry.org_id, entry.user_id) for entry in entries if isinstance(entry, UserEntry)}
    while not users <= stack.worker.directory.users.keys():  # noqa: ASYNC110 - the worker has no event for it
        await asyncio.sleep(0.1)


async def _emit(stack: EmbeddedStack, traffic: Traffic, console: Console) -> tuple[int, float]:
    """How many events were sent, and when the first one was (monotonic seconds)."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "spendmeter_deploy.embedded.emit_demo"),
        *(stack.broker.bootstrap, str(traffic.seed), repr(traffic.days), traffic.end.isoformat()),
        stdout=asyncio.subprocess.PIPE,
        # A Ctrl-C in the terminal is for us, who end it.
        start_new_session=True,
        preexec_fn=die_with_parent if sys.platform == "linux" else None,
    )
    current_ending().at_abort(process.kill)
    if process.stdout is None:
        raise RuntimeError("the emitter was started without its pipe")
    sent, started = 0, 0.0
    try:
        with _progress(console) as bar:
            task = bar.add_task("emit", total=None, sent=0)
            async for line in process.stdout:
                sent = int(line)
                started = started or time.monotonic()
                bar.update(task, sent=sent)
        if await process.wait() != 0:
            raise StartError("the demo's emitter failed; its words are above")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return sent, started


def _this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(), TextColumn("{task.fields[sent]:,} usage events emitted"), TimeElapsedColumn(), console=console
    )
