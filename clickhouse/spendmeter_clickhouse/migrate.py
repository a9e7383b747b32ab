"""Schema migrations: numbered `.sql` files, applied in order and once each. An applied file must not be edited.

ClickHouse has no transactional DDL, so every statement is idempotent (`IF NOT EXISTS`), and a migration is recorded
after its last statement.

A migration that only affects speed may be optional: `-- needs setting: NAME` names a MergeTree setting. A server that
lacks the setting skips the migration; the first `migrate` after an upgrade applies it.
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
_NAME = re.compile(r"^(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration file: number, name and text."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text as hex digits."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def needs(self) -> frozenset[str]:
        """MergeTree settings that a server must have to apply this migration."""
        return frozenset(_NEEDS.findall(self.sql))

    def statements(self) -> Iterator[str]:
        """Yield the statements, separated by a semicolon at the end of a line."""
        for part in re.split(r";[ \t]*(?:\n|$)", self.sql):
            code = "\n".join(line for line in part.splitlines() if not line.lstrip().startswith("--"))
            if code.strip():
                yield code.strip()


def packaged_migrations() -> Path:
    """Return the folder of migrations: inside the package in a wheel, beside it in a checkout."""
    inside = Path(__file__).parent / "migrations"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "migrations"


def read_migrations(folder: Path) -> list[Migration]:
    """Return the migrations of `folder` in order.

    :raises MigrationError: a file is not named like `0001_name.sql`, or a number is used twice.
    """
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.match(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: rename the migration to the form 0001_subject.sql")
        version = int(match["version"])
        if version in found:
            raise MigrationError(f"{path.name}: number {version:04} is already used by {found[version].name}")
        found[version] = Migration(version, match["name"], path.read_text(encoding="utf-8"))
    return [found[version] for version in sorted(found)]


async def migrate(store: Store, *, folder: Path | None = None) -> list[Migration]:
    """Apply all pending migrations and return them.

    :raises MigrationError: an applied migration was edited or its file is missing, or a statement failed.
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
    """Return the migrations that `migrate` would apply.

    :raises MigrationError: an applied migration was edited or its file is missing.
    :raises StoreError: the store has no schema, or does not respond.
    """
    with store.session("migrate") as session:
        return await _pending(session, read_migrations(folder or packaged_migrations()))


async def missing_migrations(session: Session) -> list[Migration]:
    """Return the migrations that this version requires and the store lacks. Migrations of newer versions are ignored.

    :raises StoreError: the store has no schema, or does not respond.
    """
    rows = await session.query("SELECT version FROM schema_migrations FINAL")
    applied = {version for (version,) in rows.result_rows}
    missing = [it for it in read_migrations(packaged_migrations()) if it.version not in applied]
    return await _supported(session, missing)


async def _pending(session: Session, migrations: Sequence[Migration]) -> list[Migration]:
    rows = await session.query("SELECT version, name, checksum FROM schema_migrations FINAL")
    recorded = {version: (name, checksum) for version, name, checksum in rows.result_rows}
    known = {migration.version: migration for migration in migrations}
    for version, (name, checksum) in sorted(recorded.items()):
        if version not in known:
            raise MigrationError(
                f"{version:04}_{name} was applied but its file is missing: install a version that has it"
            )
        if checksum != known[version].checksum:
            raise MigrationError(
                f"{version:04}_{name}.sql was edited after it was applied: restore it and add a new migration"
            )
    return await _supported(session, [migration for migration in migrations if migration.version not in recorded])


async def _supported(session: Session, migrations: Sequence[Migration]) -> list[Migration]:
    """Return the migrations whose settings the server has."""
    if not any(migration.needs for migration in migrations):
        return list(migrations)
    rows = await session.query("SELECT name FROM system.merge_tree_settings")
    settings = {name for (name,) in rows.result_rows}
    return [migration for migration in migrations if migration.needs <= settings]


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
