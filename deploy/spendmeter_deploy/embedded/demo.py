"""`spendmeter demo`: demo traffic through the embedded broker and worker, a summary, and the query service."""

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
from spendmeter_deploy.embedded.demo_rates import seed_rates
from spendmeter_deploy.embedded.demo_summary import show_summary
from spendmeter_deploy.embedded.greeting import greet
from spendmeter_deploy.embedded.stack import EmbeddedStack, embedded_stack
from spendmeter_deploy.ending import current_ending
from spendmeter_deploy.errors import StartError
from spendmeter_deploy.settings import StackSettings
from spendmeter_events import DirectoryPublisher, UserEntry
from spendmeter_events.connection import KafkaConnection
from spendmeter_events.traffic import directory


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Options of `spendmeter demo`."""

    days: int
    seed: int
    exit: bool


@dataclass(frozen=True, slots=True)
class Traffic:
    """A range of demo traffic. The same seed and hours generate the same events with the same ids."""

    seed: int
    days: float
    end: datetime


async def run_demo(settings: StackSettings, options: DemoOptions) -> None:
    """Seed the data folder up to the current hour, print the summary, and serve until a signal."""
    console = Console()
    async with embedded_stack(settings) as stack:
        note = stack.folder.path / "demo.json"
        await _seed(stack, _missing(note, options), console)
        note.write_text(json.dumps({"seed": options.seed, "end": _this_hour().isoformat()}))
        await show_summary(stack, console)
        if options.exit:
            return
        greet(stack, console)
        await current_ending().stop_requested()
        console.print("Stopping: waiting until the worker has stored the backlog.", style="dim")


def _missing(note: Path, options: DemoOptions) -> Traffic:
    """Return the traffic to emit: everything, or the hours since the folder was last seeded."""
    end = _this_hour()
    days = float(options.days)
    try:
        seeded = json.loads(note.read_text())
        if seeded["seed"] == options.seed:
            days = min(days, (end - datetime.fromisoformat(seeded["end"])) / timedelta(days=1))
    except (OSError, ValueError, KeyError):
        # Never seeded, or interrupted. Emitting again adds only events that are not stored.
        pass
    return Traffic(options.seed, days, end)


async def _seed(stack: EmbeddedStack, traffic: Traffic, console: Console) -> None:
    """Emit the traffic from a separate process, and wait until the worker has stored it."""
    if traffic.days <= 0:
        console.print(f"{stack.folder.path} is already seeded up to this hour.", style="dim")
        return
    await _publish_directory(stack, traffic.seed)
    with stack.store.session("rates") as session:
        await seed_rates(session, end=traffic.end)
    async with _merges_stopped(stack):
        sent, started = await _emit(stack, traffic, console)
        if not await stack.caught_up(timeout=600):
            raise StartError("the worker did not catch up within 10 minutes; see the log above")
    seconds = time.monotonic() - started
    console.print(
        f"{sent:,} events of {traffic.days:.4g} days emitted, priced and stored in {seconds:.1f} s"
        f" ([bold]{sent / seconds:,.0f} events/s[/])"
    )


@contextlib.asynccontextmanager
async def _merges_stopped(stack: EmbeddedStack) -> AsyncIterator[None]:
    """Stop merges during the bulk load, so that parts are merged once, after it.

    The demo creates about twenty parts per month and table; ClickHouse delays inserts at a thousand.
    """
    with stack.store.session("merges") as session:
        await session.command("SYSTEM STOP MERGES")
        try:
            yield
        finally:
            await session.command("SYSTEM START MERGES")


async def _publish_directory(stack: EmbeddedStack, seed: int) -> None:
    """Publish orgs and users, and wait until the worker has read them: it enriches events with roles and classes."""
    entries = directory(seed)
    async with DirectoryPublisher(connection=KafkaConnection(bootstrap_servers=stack.broker.bootstrap)) as publisher:
        await publisher.publish(*entries)
    users = {(entry.org_id, entry.user_id) for entry in entries if isinstance(entry, UserEntry)}
    if not await stack.has_users(users, timeout=600):
        raise StartError("the worker did not read the directory within 10 minutes; see the log above")


async def _emit(stack: EmbeddedStack, traffic: Traffic, console: Console) -> tuple[int, float]:
    """Return the number of events sent, and when the first one was sent (monotonic seconds)."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "spendmeter_deploy.embedded.emit_demo"),
        *(stack.broker.bootstrap, str(traffic.seed), repr(traffic.days), traffic.end.isoformat()),
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C must reach only this process, which ends the child.
        start_new_session=True,
        preexec_fn=die_with_parent if sys.platform == "linux" else None,
    )
    current_ending().at_abort(process.kill)
    if process.stdout is None:
        raise RuntimeError("the emitter has no stdout pipe")
    sent, started = 0, 0.0
    try:
        with _progress(console) as bar:
            task = bar.add_task("emit", total=None, sent=0)
            async for line in process.stdout:
                sent = int(line)
                started = started or time.monotonic()
                bar.update(task, sent=sent)
        if await process.wait() != 0:
            raise StartError("the demo's emitter failed; its output is above")
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
