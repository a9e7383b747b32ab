"""The store: sessions with ClickHouse, embedded or remote, and schema migrations."""

from spendmeter_clickhouse.errors import MigrationError, StoreError, StoreLoginError, StoreUnreachableError
from spendmeter_clickhouse.migrate import Migration, migrate, missing_migrations, pending_migrations
from spendmeter_clickhouse.settings import StoreSettings
from spendmeter_clickhouse.store import Session, Store

__all__ = [
    "Migration",
    "MigrationError",
    "Session",
    "Store",
    "StoreError",
    "StoreLoginError",
    "StoreSettings",
    "StoreUnreachableError",
    "migrate",
    "missing_migrations",
    "pending_migrations",
]
