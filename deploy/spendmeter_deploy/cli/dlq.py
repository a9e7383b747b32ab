"""`spendmeter dlq`: list, inspect and redrive dead letters."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from spendmeter_deploy.cli.brokers import any_broker, asking
from spendmeter_deploy.cli.running import refuse, run
from spendmeter_deploy.errors import StartError
from spendmeter_stream.dlq import (
    MAX_ATTEMPTS,
    DeadLetter,
    Filter,
    RedriveOutcome,
    RedrivePlan,
    dead_letters,
    redrive_dead_letters,
)
from spendmeter_stream.settings import StreamSettings

app = typer.Typer(help="List, inspect and redrive dead letters.", no_args_is_help=True)

Code = Annotated[str | None, typer.Option(help="Only this error code, such as invalid_field.")]
Partition = Annotated[int | None, typer.Option(help="Only of this partition of the usage topic.", min=0)]
Since = Annotated[str | None, typer.Option(help="Only dead-lettered since then; UTC unless it has an offset.")]
Bootstrap = Annotated[str | None, typer.Option(help="HOST:PORT of the broker; else SPENDMETER_BOOTSTRAP.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Find the embedded stack that runs on it.")]


@app.command("list")
def list_(
    code: Code = None,
    partition: Partition = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(help="Maximum number of dead letters, newest first.", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """List dead letters, the newest last. Their content is not shown."""
    chosen = Filter(code=code, partition=partition, since=_moment(since))
    found, total = run(_newest(any_broker_or_refuse(data_dir, bootstrap), chosen, limit))
    if as_json:
        for letter in found:
            typer.echo(json.dumps(_plain(letter), default=str))
        return
    table = Table("offset", "dead-lettered", "code", "from", "attempts", "bytes", "reason")
    for it in found:
        came_from = f"{it.from_partition}@{it.from_offset}"
        size = f"{len(it.value):,}" + ("+" if it.truncated else "")
        table.add_row(
            str(it.offset), f"{it.at:%Y-%m-%d %H:%M:%S}", it.code, came_from, str(it.attempts), size, it.message
        )
    Console().print(table)
    typer.echo(f"{total:,} dead letters match" + (f", the newest {len(found)} shown" if total > len(found) else ""))


@app.command("show")
def show_(
    offset: Annotated[int, typer.Argument(help="Of the dead-letter topic, as `list` shows it.", min=0)],
    raw: Annotated[bool, typer.Option("--raw", help="Write the original bytes, and nothing else.")] = False,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Show one dead letter with its content, which may be anything that an emitter sent."""
    found, _ = run(_newest(any_broker_or_refuse(data_dir, bootstrap), Filter(offset=offset), 1))
    if not found:
        raise refuse(f"there is no dead letter at offset {offset}; `spendmeter dlq list` shows those there are")
    (letter,) = found
    if raw:
        sys.stdout.buffer.write(letter.value)
        return
    for name, value in _plain(letter).items():
        typer.echo(f"{name:16} {value}")
    typer.echo(f"\n{letter.value.decode(errors='backslashreplace')}")


@app.command("redrive")
@app.command("replay", hidden=True)
def redrive_(
    code: Code = None,
    partition: Partition = None,
    since: Since = None,
    offset: Annotated[int | None, typer.Option(help="Only the dead letter at this offset.", min=0)] = None,
    limit: Annotated[int | None, typer.Option(help="Maximum number of records, oldest first.", min=1)] = None,
    rate: Annotated[float, typer.Option(help="Maximum records per second.", min=0.1)] = 100.0,
    max_attempts: Annotated[
        int, typer.Option(help="Skip records dead-lettered N times or more.", min=1)
    ] = MAX_ATTEMPTS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the records and send none.")] = False,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Redrive dead letters to the usage topic. Events that are stored already are deduplicated."""
    plan = RedrivePlan(
        filter=Filter(code=code, partition=partition, since=_moment(since), offset=offset),
        limit=limit,
        per_second=rate,
        max_attempts=max_attempts,
        dry_run=dry_run,
    )
    _print_outcome(run(_redrive(any_broker_or_refuse(data_dir, bootstrap), plan)), dry_run=dry_run)


async def _newest(settings: StreamSettings, chosen: Filter, limit: int) -> tuple[list[DeadLetter], int]:
    """The last `limit` that match, and how many match."""
    found: deque[DeadLetter] = deque(maxlen=limit)
    total = 0
    async with asking(settings):
        async for letter in dead_letters(settings):
            if chosen.matches(letter):
                found.append(letter)
                total += 1
    return list(found), total


async def _redrive(settings: StreamSettings, plan: RedrivePlan) -> RedriveOutcome:
    async with asking(settings):
        with _counting() as count:
            return await redrive_dead_letters(settings, plan, progress=count)


def any_broker_or_refuse(data_dir: Path | None, bootstrap: str | None) -> StreamSettings:
    """The broker that is meant, or one line and exit code 2."""
    try:
        return any_broker(data_dir, bootstrap)
    except StartError as error:
        raise refuse(str(error)) from error


@contextmanager
def _counting() -> Iterator[Any]:
    console = Console(stderr=True)
    with console.status("reading dead letters") as status:
        yield lambda sent: status.update(f"{sent:,} sent")


def _print_outcome(outcome: RedriveOutcome, *, dry_run: bool) -> None:
    codes = ", ".join(f"{code} {number:,}" for code, number in outcome.codes.most_common())
    typer.echo(f"{outcome.sent:,} {'would be sent' if dry_run else 'sent'}" + (f" ({codes})" if codes else ""))
    for number, why in (
        (outcome.exhausted, "were dead-lettered too often (raise --max-attempts to redrive them)"),
        (outcome.truncated, "are truncated: only their emitter can send them again"),
        (outcome.too_large, "were rejected by the usage topic as too large"),
    ):
        if number:
            typer.echo(f"{number:,} {why}")


def _plain(letter: DeadLetter) -> dict[str, Any]:
    """What a dead letter says of itself, without its content."""
    return {
        "offset": letter.offset,
        "dead_lettered_at": letter.at.isoformat(),
        "code": letter.code,
        "reason": letter.message,
        "from_partition": letter.from_partition,
        "from_offset": letter.from_offset,
        "attempts": letter.attempts,
        "key": (letter.key or b"").hex(),
        "bytes": len(letter.value),
        "truncated": letter.truncated,
    }


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise refuse(f"--since: {text!r} is not a time such as 2026-11-20 or 2026-11-20T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
