"""The store: one way to reach ClickHouse, embedded or not, and the migrations that shape it."""

from spendmeter_clickhouse.errors import MigrationError, StoreError, StoreUnreachableError
from spendmeter_clickhouse.migrate import Migration, migrate, pending_migrations
from spendmeter_clickhouse.settings import StoreSettings
from spendmeter_clickhouse.store import Session, Store

__all__ = [
    "Migration",
    "MigrationError",
    "Session",
    "Store",
    "StoreError",
    "StoreSettings",
    "StoreUnreachableError",
    "migrate",
    "pending_migrations",
]
