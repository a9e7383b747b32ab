"""`spendmeter apikey`: create, list and revoke API keys. A key is shown once, when it is created."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from spendmeter_clickhouse.api_keys import (
    PREFIX_LENGTH,
    ApiKey,
    digest_of,
    generate_key,
    list_keys,
    revoke_key,
    store_key,
)
from spendmeter_clickhouse.scopes import EVENTS_WRITE, ORG_READ, PLATFORM_READ, PLATFORM_WRITE
from spendmeter_deploy.cli.offline_store import offline_store
from spendmeter_deploy.cli.running import refuse, run
from spendmeter_deploy.cli.terminal.console import AsJson, add_plain_row, output, print_json
from spendmeter_deploy.cli.terminal.option_values import MAX_COUNT, MAX_UINT32

app = typer.Typer(help="Create, list and revoke API keys of the query service.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Data folder of a stopped embedded stack.")]


class KeyScope(StrEnum):
    """Scope of an API key."""

    PLATFORM_READ = PLATFORM_READ
    PLATFORM_WRITE = PLATFORM_WRITE
    ORG_READ = ORG_READ
    EVENTS_WRITE = EVENTS_WRITE


def _limit(help_text: str, largest: int) -> Any:
    return typer.Option(help=help_text, min=0, max=largest)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Purpose of the key, for example 'finance dashboard'.")],
    scope: Annotated[list[KeyScope], typer.Option(help="Scope to grant; repeatable.")],
    org: Annotated[str, typer.Option(help="Org of a key with the scope org:read or events:write.")] = "",
    days: Annotated[int, typer.Option(help="Validity in days; 0 never expires.", min=0, max=3650)] = 0,
    requests_per_minute: Annotated[int, _limit("Rate limit; 0 uses the service's default.", MAX_UINT32)] = 0,
    query_seconds: Annotated[int, _limit("Time limit of a query; 0 uses the default.", MAX_UINT32)] = 0,
    query_memory_bytes: Annotated[int, _limit("Memory limit of a query; 0 uses the default.", MAX_COUNT)] = 0,
    query_rows: Annotated[int, _limit("Limit of rows that a query reads; 0 uses the default.", MAX_COUNT)] = 0,
    data_dir: DataDir = None,
) -> None:
    """Create a key and print it to stdout, once: only its hash is stored."""
    if KeyScope.ORG_READ in scope and not org:
        raise refuse(f"--scope {ORG_READ} requires --org")
    if org and not {KeyScope.ORG_READ, KeyScope.EVENTS_WRITE} & set(scope):
        raise refuse(f"--org requires --scope {ORG_READ} or --scope {EVENTS_WRITE}")
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
    typer.echo(f"created {prefix} ({name}); store the key now, it is not shown again:", err=True)
    typer.echo(token)


@app.command("list")
def list_(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all keys by prefix, with scopes and state."""
    if as_json:
        print_json(_as_json(key) for key in run(_list(data_dir)))
        return
    # `revoke` needs the whole prefix, however narrow the terminal is.
    prefix = Column("prefix", no_wrap=True, min_width=PREFIX_LENGTH)
    table = Table(prefix, "name", "scopes", "org", "created", "expires", "state")
    now = datetime.now(UTC)
    for key in run(_list(data_dir)):
        expires = f"{key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "never"
        state = "revoked" if key.revoked else "valid" if key.valid(now) else "expired"
        created = f"{key.created_at:%Y-%m-%d %H:%M}"
        add_plain_row(table, key.prefix, key.name, " ".join(key.scopes), key.org_id, created, expires, state)
    output().print(table)


def _as_json(key: ApiKey) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "prefix": key.prefix,
        "name": key.name,
        "scopes": list(key.scopes),
        "org_id": key.org_id,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "state": "revoked" if key.revoked else "valid" if key.valid(now) else "expired",
    }


@app.command("revoke")
def revoke(
    prefix: Annotated[str, typer.Argument(help="Prefix of the key, as shown by `list`.")],
    data_dir: DataDir = None,
) -> None:
    """Revoke a key. A running service accepts it for up to 5 more seconds."""
    key = run(_revoke(prefix, data_dir))
    if key is None:
        raise refuse(f"no API key {prefix!r}; run `spendmeter apikey list`")
    typer.echo(f"{key.prefix} ({key.name}) is revoked")


async def _store(key: ApiKey, data_dir: Path | None) -> None:
    async with offline_store(data_dir, over_http="POST /v1/api-keys") as store:
        with store.session("apikey") as session:
            await store_key(session, key)


async def _list(data_dir: Path | None) -> list[ApiKey]:
    async with offline_store(data_dir, over_http="GET /v1/api-keys") as store:
        with store.session("apikey") as session:
            return await list_keys(session)


async def _revoke(prefix: str, data_dir: Path | None) -> ApiKey | None:
    async with offline_store(data_dir, over_http=f"DELETE /v1/api-keys/{prefix}") as store:
        with store.session("apikey") as session:
            return await revoke_key(session, prefix, now=datetime.now(UTC))
