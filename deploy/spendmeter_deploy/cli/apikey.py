"""`spendmeter apikey`: keys for the query service, shown once when they are made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from spendmeter_clickhouse.api_keys import ApiKey, digest_of, generate_key, list_keys, revoke_key, store_key
from spendmeter_clickhouse.scopes import ORG_READ, PLATFORM_READ, PLATFORM_WRITE
from spendmeter_deploy.cli.offline_store import offline_store
from spendmeter_deploy.cli.running import refuse, run

app = typer.Typer(help="Keys for the query service: create, list and revoke them.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="The folder of an embedded stack that is stopped.")]


class Scope(StrEnum):
    """What a key may do."""

    PLATFORM_READ = PLATFORM_READ
    PLATFORM_WRITE = PLATFORM_WRITE
    ORG_READ = ORG_READ


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, such as 'finance dashboard'.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; repeat for more.")],
    org: Annotated[str, typer.Option(help="The one org that an org:read key sees.")] = "",
    days: Annotated[int, typer.Option(help="How long it is valid; 0 is for ever.", min=0, max=3650)] = 0,
    requests_per_minute: Annotated[int, typer.Option(help="0 is the service's own limit.", min=0)] = 0,
    query_seconds: Annotated[int, typer.Option(help="Time of one query; 0 as above.", min=0)] = 0,
    query_memory_bytes: Annotated[int, typer.Option(help="Memory of one query; 0 as above.", min=0)] = 0,
    query_rows: Annotated[int, typer.Option(help="Stored rows that one query reads; 0 as above.", min=0)] = 0,
    data_dir: DataDir = None,
) -> None:
    """Make a key and print it: on standard output the key alone, which is stored nowhere."""
    if (Scope.ORG_READ in scope) != bool(org):
        raise refuse(f"--org names the org of a key with {ORG_READ}, and of no other")
    token, prefix = generate_key()
    now = datetime.now(UTC)
    key = ApiKey(
        prefix=prefix,
        digest=digest_of(token),
        name=name,
        scopes=tuple(dict.fromkeys(each.value for each in scope)),
        org_id=org,
        expires_at=now + timedelta(days=days) if days else None,
        requests_per_minute=requests_per_minute,
        query_seconds=query_seconds,
        query_memory_bytes=query_memory_bytes,
        query_rows=query_rows,
        created_at=now,
        updated_at=now,
    )
    run(_store(key, data_dir))
    typer.echo(f"{prefix} ({name}): keep the key below, it is not shown again", err=True)
    typer.echo(token)


@app.command("list")
def list_(data_dir: DataDir = None) -> None:
    """Show every key by its prefix, with its rights."""
    table = Table("prefix", "name", "scopes", "org", "created", "expires", "state")
    now = datetime.now(UTC)
    for key in run(_list(data_dir)):
        expires = f"{key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "never"
        state = "revoked" if key.revoked else "valid" if key.valid(now) else "expired"
        created = f"{key.created_at:%Y-%m-%d %H:%M}"
        table.add_row(key.prefix, key.name, " ".join(key.scopes), key.org_id, created, expires, state)
    Console().print(table)


@app.command("revoke")
def revoke(
    prefix: Annotated[str, typer.Argument(help="As `list` shows it.")],
    data_dir: DataDir = None,
) -> None:
    """Take a key's rights away. A running service lets it in for 5 seconds more at most."""
    key = run(_revoke(prefix, data_dir))
    if key is None:
        raise refuse(f"there is no key {prefix!r}: see `spendmeter apikey list`")
    typer.echo(f"{key.prefix} ({key.name}) is revoked")


async def _store(key: ApiKey, data_dir: Path | None) -> None:
    async with offline_store(data_dir) as store:
        with store.session("apikey") as session:
            await store_key(session, key)


async def _list(data_dir: Path | None) -> list[ApiKey]:
    async with offline_store(data_dir) as store:
        with store.session("apikey") as session:
            return await list_keys(session)


async def _revoke(prefix: str, data_dir: Path | None) -> ApiKey | None:
    async with offline_store(data_dir) as store:
        with store.session("apikey") as session:
            return await revoke_key(session, prefix, now=datetime.now(UTC))
