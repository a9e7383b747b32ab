"""Sessions with ClickHouse: blocking clients, each in its own thread, awaited from the event loop.

The embedded engine (chDB) runs one query at a time per client and releases the interpreter while it works;
the HTTP client blocks on its socket. Both are therefore called in threads, one client per thread, so that
the calling code does not depend on the kind of store.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from spendmeter_clickhouse.errors import StoreError, StoreLoginError, StoreUnreachableError
from spendmeter_clickhouse.settings import StoreSettings

if TYPE_CHECKING:
    import pyarrow as pa
    from clickhouse_connect.driver.query import QueryResult

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOGIN_REFUSED: Final = frozenset({192, 193, 194, 516})
"""ClickHouse's UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD and AUTHENTICATION_FAILED."""
CLOSE_SECONDS: Final = 5.0
"""Maximum time that closing waits for running calls: an unreachable store must not block the exit."""


class Session:
    """`size` threads with a client each; calls beyond `size` wait their turn in order."""

    def __init__(self, *, name: str, size: int, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._local = threading.local()
        self._name = name
        self._clients: list[Client] = []
        self._calls: set[Future[Any]] = set()
        """Running calls."""
        self._executor = ThreadPoolExecutor(max_workers=size, thread_name_prefix=f"store-{name}")

    async def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
    ) -> QueryResult:
        """Rows of a SELECT. Values travel as bound parameters (`{name:Type}` in `sql`), never in its text.

        :raises StoreUnreachableError: no answer; :raises StoreError: ClickHouse refused the statement.
        """

        def read(client: Client) -> QueryResult:
            # Native blocks of the oldest protocol lack the zone of DateTime columns; the driver would use the server's.
            answer = client.query(sql, parameters=dict(parameters or {}), settings=dict(settings or {}), query_tz=UTC)
            # The driver reads no further than the first block until it is asked for rows. The rest must come in this
            # thread: on the event loop it would block, and its errors would pass by our own.
            _ = answer.result_rows
            return answer

        return await self.run(read)

    async def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement without a result. Raises like `query`."""
        await self.run(lambda client: client.command(sql, parameters=dict(parameters or {})))

    async def insert_arrow(self, table: str, rows: pa.Table, *, settings: Mapping[str, Any] | None = None) -> None:
        """Insert `rows` as one block; return when it is stored. Raises like `query`."""
        await self.run(lambda client: client.insert_arrow(table, rows, settings=dict(settings or {})))

    async def insert(self, table: str, rows: list[tuple[Any, ...]], columns: list[str]) -> None:
        """Insert a few rows of Python values. Raises like `query`."""
        await self.run(lambda client: client.insert(table, rows, column_names=columns))

    async def run(self, call: Callable[[Client], T]) -> T:
        """Call `call(client)` in one of this session's threads."""
        future = self._executor.submit(self._guarded, call)
        self._calls.add(future)
        future.add_done_callback(self._calls.discard)
        return await asyncio.wrap_future(future)

    def close(self, *, seconds: float = CLOSE_SECONDS) -> None:
        """Wait for the calls under way, then close the clients.

        A call without an answer for `seconds` keeps its thread: nothing can interrupt a driver. It is logged.
        """
        self._executor.shutdown(wait=False, cancel_futures=True)
        _, unanswered = wait(list(self._calls), timeout=seconds)
        if unanswered:
            log.warning("store session %s closed with %d calls unanswered", self._name, len(unanswered))
            return
        for client in self._clients:
            client.close()
        self._clients.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _guarded(self, call: Callable[[Client], T]) -> T:
        try:
            return call(self._client())
        except ClickHouseError as error:
            raise _our_error(error) from error
        except OSError as error:
            raise StoreUnreachableError(_first_line(error)) from error

    def _client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._connect()
            self._clients.append(client)
        return client


class Store:
    """Open sessions with one store, and close all of them."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self._sessions: list[Session] = []

    @property
    def database(self) -> str:
        """The database all tables are in."""
        return self.settings.database

    def session(self, name: str, *, size: int = 1) -> Session:
        """A session of the writing login. `name` shows in thread names."""
        return self._open(name, size, self.settings.store_dsn)

    def reader(self, *, size: int = 4) -> Session:
        """A session of the read-only login, for the query service."""
        return self._open("reader", size, self.settings.reader_dsn or self.settings.store_dsn)

    def admin(self) -> Session:
        """Return a session without a database, for the migrator: ours may not exist yet."""
        return self._open("admin", 1, self.settings.store_dsn, database="default")

    def close(self) -> None:
        """Close every session; the embedded engine stops with its last client."""
        deadline = time.monotonic() + CLOSE_SECONDS
        while self._sessions:
            self._sessions.pop().close(seconds=max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, name: str, size: int, dsn: str, database: str | None = None) -> Session:
        settings = self.settings

        def connect() -> Client:
            if settings.embedded:
                client = clickhouse_connect.get_client(interface="chdb", path=settings.path, tz_mode="aware")
                client.database = database or settings.database
                return client
            return clickhouse_connect.get_client(
                dsn=dsn,
                # Of a DSN's scheme the driver sees no more than whether it is chdb.
                interface=urlsplit(dsn).scheme,
                database=database or settings.database,
                # Sessions would make the server refuse a second query of a client that lost an answer.
                autogenerate_session_id=False,
                send_receive_timeout=settings.store_timeout_seconds,
                tz_mode="aware",
            )

        session = Session(name=name, size=size, connect=connect)
        self._sessions.append(session)
        return session


def _our_error(error: ClickHouseError) -> StoreError:
    if isinstance(error, OperationalError):
        return StoreUnreachableError(_first_line(error))
    if getattr(error, "code", None) in _LOGIN_REFUSED:
        return StoreLoginError(_first_line(error))
    return StoreError(_first_line(error))


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:500]
