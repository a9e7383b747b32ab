"""Sessions with a limit of rows read: ClickHouse enforces it, independent of the machine's speed."""

from __future__ import annotations

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from spendmeter_clickhouse import Session, Store


def limited_session(store: Store, *, rows: int, memory: int = 64 * 2**20) -> Session:
    """Yield a session of an embedded `store` with limits of rows read and memory per statement."""

    def connect() -> Client:
        client = clickhouse_connect.get_client(interface="chdb", path=store.settings.path, tz_mode="aware")
        client.database = store.database
        client.set_client_setting("max_rows_to_read", rows)
        client.set_client_setting("max_memory_usage", memory)
        return client

    return Session(name="limited", size=1, connect=connect)
