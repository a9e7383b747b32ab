"""`spendmeter dlq`: inspect and redrive dead letters."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from spendmeter_deploy.cli.brokers import any_broker, broker_errors
from spendmeter_deploy.cli.running import refuse, run
from spendmeter_deploy.cli.terminal.console import add_plain_row, output
from spendmeter_deploy.cli.terminal.option_values import MAX_COUNT, MAX_OFFSET, MAX_UINT32, parse_time
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

app = typer.Typer(help="Inspect and redrive dead letters.", no_args_is_help=True)

_MAX_LISTED: Final = 1_000_000
"""Listed dead letters are in memory."""

Code = Annotated[str | None, typer.Option(help="Only this error code, for example invalid_field.")]
Partition = Annotated[int | None, typer.Option(help="Only this partition of the usage topic.", min=0, max=MAX_UINT32)]
Since = Annotated[str | None, typer.Option(help="Only dead letters since this time; UTC without an offset.")]
Bootstrap = Annotated[
    str | None, typer.Option(help="Kafka brokers, HOST:PORT, comma separated. Default: SPENDMETER_BOOTSTRAP.")
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Data folder of a running embedded stack.")]


@app.command("list")
def list_(
    code: Code = None,
    partition: Partition = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(help="Number of newest dead letters to list.", min=1, max=_MAX_LISTED)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """List dead letters, newest last, without their content."""
    chosen = Filter(code=code, partition=partition, since=parse_time(since, option="--since") if since else None)
    found, total = run(_newest(any_broker(data_dir, bootstrap), chosen, limit))
    if as_json:
        for letter in found:
            typer.echo(json.dumps(_plain(letter), default=str))
        return
    table = Table("offset", "dead-lettered", "code", "source", "attempts", "bytes", "reason")
    for letter in found:
        source = f"{letter.from_partition}@{letter.from_offset}"
        size = f"{len(letter.value):,}" + ("+" if letter.truncated else "")
        add_plain_row(
            table,
            str(letter.offset),
            f"{letter.at:%Y-%m-%d %H:%M:%S}",
            letter.code,
            source,
            str(letter.attempts),
            size,
            letter.message,
        )
    output().print(table)
    typer.echo(f"{total:,} dead letters match" + (f", the newest {len(found)} shown" if total > len(found) else ""))


@app.command("show")
def show_(
    offset: Annotated[
        int, typer.Argument(help="Offset in the dead-letter topic, as shown by `list`.", min=0, max=MAX_OFFSET)
    ],
    raw: Annotated[bool, typer.Option("--raw", help="Write only the original bytes to stdout.")] = False,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Show one dead letter with its content, which is untrusted input."""
    found, _ = run(_newest(any_broker(data_dir, bootstrap), Filter(offset=offset), 1))
    if not found:
        raise refuse(f"no dead letter at offset {offset}; run `spendmeter dlq list`")
    (letter,) = found
    if raw:
        sys.stdout.buffer.write(letter.value)
        return
    for name, value in _plain(letter).items():
        typer.echo(f"{name:16} {value}")
    typer.echo(f"\n{letter.value.decode(errors='backslashreplace')}")


@app.command("redrive")
@app.command("replay", hidden=True)  # its former name
def redrive(
    code: Code = None,
    partition: Partition = None,
    since: Since = None,
    offset: Annotated[
        int | None, typer.Option(help="Only the dead letter at this offset.", min=0, max=MAX_OFFSET)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Redrive at most this many, oldest first.", min=1, max=MAX_COUNT)
    ] = None,
    rate: Annotated[float, typer.Option(help="Maximum records per second.", min=0.1, max=1e6)] = 100.0,
    max_attempts: Annotated[
        int, typer.Option(help="Skip records dead-lettered this often or more.", min=1, max=MAX_UINT32)
    ] = MAX_ATTEMPTS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the records without sending them.")] = False,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Send dead letters to the usage topic again. Events that are already stored are not counted twice."""
    plan = RedrivePlan(
        filter=Filter(
            code=code, partition=partition, since=parse_time(since, option="--since") if since else None, offset=offset
        ),
        limit=limit,
        per_second=rate,
        max_attempts=max_attempts,
        dry_run=dry_run,
    )
    _report(run(_redrive(any_broker(data_dir, bootstrap), plan)), dry_run=dry_run)


async def _newest(settings: StreamSettings, chosen: Filter, limit: int) -> tuple[list[DeadLetter], int]:
    """Return the last `limit` matching dead letters and the number of all matching ones."""
    found: deque[DeadLetter] = deque(maxlen=limit)
    total = 0
    async with broker_errors(settings):
        async for letter in dead_letters(settings):
            if chosen.matches(letter):
                found.append(letter)
                total += 1
    return list(found), total


async def _redrive(settings: StreamSettings, plan: RedrivePlan) -> RedriveOutcome:
    async with broker_errors(settings):
        with _progress() as count:
            return await redrive_dead_letters(settings, plan, progress=count)


@contextmanager
def _progress() -> Iterator[Any]:
    console = Console(stderr=True)
    with console.status("reading dead letters") as status:
        yield lambda sent: status.update(f"{sent:,} sent")


def _report(outcome: RedriveOutcome, *, dry_run: bool) -> None:
    codes = ", ".join(f"{code} {number:,}" for code, number in outcome.codes.most_common())
    typer.echo(f"{outcome.sent:,} {'would be sent' if dry_run else 'sent'}" + (f" ({codes})" if codes else ""))
    for number, reason in (
        (outcome.exhausted, "skipped: dead-lettered too often (raise --max-attempts to redrive them)"),
        (outcome.truncated, "skipped: truncated when dead-lettered (only the emitter can send them again)"),
        (outcome.too_large, "rejected by the broker: too large for the usage topic"),
    ):
        if number:
            typer.echo(f"{number:,} {reason}")


def _plain(letter: DeadLetter) -> dict[str, Any]:
    """Return the metadata of a dead letter, without its content."""
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
