"""Applies the numbered `.sql` files in order, once each, and refuses one that was edited afterwards.

ClickHouse has no transactions over DDL, so every statement is written to be harmless when run again
(`IF NOT EXISTS`), and a migration is recorded when its last statement has run.

A migration that only makes answers quicker may say `-- needs setting: NAME`, a setting of MergeTree tables. A server
that does not know it yet goes without, and is given it by the first `migrate` after an upgrade.

One that was edited after all, for new stores alone, names its checksum of before: `-- was: SHA256`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spendmeter_clickhouse.errors import MigrationError, StoreError, StoreUnreachableError
from spendmeter_clickhouse.store import Session, Store

_LEDGER = """
    CREATE TABLE IF NOT EXISTS schema_migrations
    (version UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
    ENGINE = ReplacingMergeTree ORDER BY version"""
_NEEDS = re.compile(r"^-- needs setting: (\w+)$", re.MULTILINE)
_WAS = re.compile(r"^-- was: ([0-9a-f]{64})$", re.MULTILINE)
_NAME = re.compile(r"^(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name and its text."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def needs(self) -> frozenset[str]:
        """The settings of MergeTree tables without which a server goes without this migration."""
        return frozenset(_NEEDS.findall(self.sql))

    @property
    def checksums(self) -> frozenset[str]:
        """Of this text, and of those before it that stores may keep."""
        return frozenset((self.checksum, *_WAS.findall(self.sql)))

    def statements(self) -> Iterator[str]:
        """The statements, split at semicolons that end a line."""
        for part in re.split(r";[ \t]*(?:\n|$)", self.sql):
            code = "\n".join(line for line in part.splitlines() if not line.lstrip().startswith("--"))
            if code.strip():
                yield code.strip()


def packaged_migrations() -> Path:
    """The folder of migrations: inside the package in a wheel, beside it in a checkout."""
    inside = Path(__file__).parent / "migrations"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "migrations"


def read_migrations(folder: Path) -> list[Migration]:
    """All migrations of `folder`, in order.

    :raises MigrationError: a file name that is not `0001_name.sql`, or a number used twice.
    """
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: a migration is named like 0001_what_it_does.sql")
        version = int(match["version"])
        if version in found:
            raise MigrationError(f"{path.name}: number {version:04} is already {found[version].name}")
        found[version] = Migration(version, match["name"], path.read_text(encoding="utf-8"))
    return [found[version] for version in sorted(found)]


async def migrate(store: Store, *, folder: Path | None = None) -> list[Migration]:
    """Bring the store to this version's schema; returns what was applied now.

    :raises MigrationError: an applied migration was edited or is gone, or a statement failed.
    """
    migrations = read_migrations(folder or packaged_migrations())
    with store.admin() as admin:
        await admin.command(f"CREATE DATABASE IF NOT EXISTS {store.database}")
    with store.session("migrate") as session:
        await session.command(_LEDGER)
        pending = await _pending(session, migrations)
        for migration in pending:
            await _apply(session, store.database, migration)
    return pending


async def pending_migrations(store: Store, *, folder: Path | None = None) -> list[Migration]:
    """What `migrate` would apply; raises like it, and `StoreError` where nothing was ever applied."""
    with store.session("migrate") as session:
        return await _pending(session, read_migrations(folder or packaged_migrations()))


async def missing_migrations(session: Session) -> list[Migration]:
    """What this version needs and the store lacks; what a newer version added is no fault.

    :raises StoreError: nothing was ever applied, or the store does not answer.
    """
    rows = await session.query("SELECT version FROM schema_migrations FINAL")
    applied = {version for (version,) in rows.result_rows}
    missing = [it for it in read_migrations(packaged_migrations()) if it.version not in applied]
    settings = await _known_settings(session) if any(it.needs for it in missing) else frozenset()
    return [it for it in missing if it.needs <= settings]


async def _pending(session: Session, migrations: Sequence[Migration]) -> list[Migration]:
    rows = await session.query("SELECT version, name, checksum FROM schema_migrations FINAL")
    recorded = {version: (name, checksum) for version, name, checksum in rows.result_rows}
    known = {migration.version: migration for migration in migrations}
    for version, (name, checksum) in sorted(recorded.items()):
        if version not in known:
            raise MigrationError(f"{version:04}_{name} was applied but its file is gone: is this an older version?")
        if checksum not in known[version].checksums:
            raise MigrationError(
                f"{version:04}_{name}.sql was edited after it was applied: restore it and add a new one"
            )
    pending = [migration for migration in migrations if migration.version not in recorded]
    settings = await _known_settings(session) if any(migration.needs for migration in pending) else frozenset()
    return [migration for migration in pending if migration.needs <= settings]


async def _known_settings(session: Session) -> frozenset[str]:
    rows = await session.query("SELECT name FROM system.merge_tree_settings")
    return frozenset(name for (name,) in rows.result_rows)


async def _apply(session: Session, database: str, migration: Migration) -> None:
    for number, statement in enumerate(migration.statements(), start=1):
        try:
            await session.command(statement.replace("{database}", database))
        except StoreUnreachableError:
            raise
        except StoreError as error:
            where = f"{migration.version:04}_{migration.name}.sql, statement {number}"
            raise MigrationError(f"{where}: {error}") from error
    await session.insert(
        "schema_migrations",
        [(migration.version, migration.name, migration.checksum)],
        ["version", "name", "checksum"],
    )
