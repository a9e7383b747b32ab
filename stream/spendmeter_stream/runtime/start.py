"""Wait for Kafka, the store and its schema before the start. Each failed attempt is one log line."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import mode
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from spendmeter_clickhouse import Session, Store, StoreError, StoreLoginError, missing_migrations
from spendmeter_events.topics import USAGE
from spendmeter_stream.errors import NotReadyError, SetupError
from spendmeter_stream.kafka.topic_admin import ensure_topics
from spendmeter_stream.runtime.health import WorkerHealth
from spendmeter_stream.runtime.version import installed_version
from spendmeter_stream.settings import StreamSettings

log = logging.getLogger(__name__)

_CONNECT_MS: Final = 10_000
_LONGEST_WAIT_SECONDS: Final = 30
_REJECTED: Final = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)


class Start(mode.Service):
    """Starts when Kafka is reachable, the topics exist and the store has its schema. Later services rely on it."""

    mundane_level = "debug"

    def __init__(self, *, settings: StreamSettings, store: Store, health: WorkerHealth, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings
        self._store = store
        self._health = health

    async def on_start(self) -> None:
        """Wait without a time limit.

        :raises SetupError: Kafka or the store rejects the credentials, or a topic cannot be created.
        """
        log.info(
            "spendmeter %s, worker: group %s, topic %s, Kafka at %s, store at %s",
            installed_version(),
            self._settings.group,
            USAGE,
            self._settings.bootstrap,
            place_of(self._store),
        )
        for name in ("kafka", "store"):
            self._health.report(name, "not reached yet")
        await wait_for_kafka(self._settings, self._health)
        await wait_for_store(self._store, self._health, schema=True)


async def wait_for_kafka(settings: StreamSettings, health: WorkerHealth | None = None) -> None:
    """Wait until a broker is reachable, and create missing topics.

    :raises SetupError: the brokers reject the credentials or a topic.
    """
    options = settings.client_options()

    async def attempt() -> None:
        await connect(options)
        await ensure_topics(options, usage_partitions=settings.usage_partitions, replication=settings.replication)

    where = f"Kafka at {settings.bootstrap}"
    await _until_reached("kafka", where, "Check SPENDMETER_BOOTSTRAP.", attempt, health)


async def wait_for_store(store: Store, health: WorkerHealth | None = None, *, schema: bool = False) -> None:
    """Wait until the store is reachable and, with `schema`, until `spendmeter migrate` has run for this version.

    :raises SetupError: the store rejects the user or the password.
    """
    with store.session("start") if schema else store.admin() as session:
        where = f"the store at {place_of(store)}"
        await _until_reached(
            "store", where, "Check SPENDMETER_STORE_DSN.", lambda: _ask(session, schema=schema), health
        )


def place_of(store: Store) -> str:
    """Return the location of the store, without credentials."""
    if store.settings.embedded:
        return store.settings.path
    return f"{urlsplit(store.settings.store_dsn).netloc.rpartition('@')[2]}/{store.database}"


async def connect(client_options: dict[str, Any]) -> None:
    """Connect and authenticate to a bootstrap server, because aiokafka reports all failures as the same error.

    :raises SetupError: the credentials are rejected; :raises KafkaError, OSError: no server is reachable.
    """
    options = {name: value for name, value in client_options.items() if name != "bootstrap_servers"}
    error: Exception = OSError("no address")
    for host, port, _ in collect_hosts(client_options["bootstrap_servers"]):
        try:
            connection = await create_conn(host, port, request_timeout_ms=_CONNECT_MS, **options)
        except _REJECTED as rejection:
            raise SetupError(
                f"Kafka at {host}:{port} rejected the credentials ({reason_of(rejection)}):"
                " check SPENDMETER_SASL_USERNAME, SPENDMETER_SASL_PASSWORD and SPENDMETER_SASL_MECHANISM"
            ) from rejection
        except (KafkaError, OSError, TimeoutError) as failure:
            error = failure
        else:
            connection.close()
            return
    raise error


def reason_of(error: BaseException) -> str:
    """Return the innermost specific cause in one line: `Connection refused` rather than the driver's message."""
    found: BaseException | None = error
    innermost = error
    while found is not None:
        innermost = found if isinstance(found, OSError) and found.strerror else innermost
        found = getattr(found, "reason", None) or found.__cause__ or found.__context__
        found = found if isinstance(found, BaseException) else None
    if isinstance(innermost, OSError) and innermost.strerror:
        # asyncio prefixes the system's message with its own. Resolver and TLS errors have no system errno.
        plain = (innermost.errno or 0) > 0 and not isinstance(innermost, ssl.SSLError)
        return os.strerror(innermost.errno or 0) if plain else innermost.strerror
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]


async def _ask(session: Session, *, schema: bool) -> None:
    if not schema:
        await session.query("SELECT 1")
        return
    try:
        missing = await missing_migrations(session)
    except StoreError as error:
        if "UNKNOWN_DATABASE" in str(error) or "UNKNOWN_TABLE" in str(error):
            raise NotReadyError("the database has no schema: run `spendmeter migrate`") from error
        raise
    if missing:
        raise NotReadyError(f"migration {missing[0].version:04} is missing: run `spendmeter migrate`")


async def _until_reached(
    name: str, where: str, advice: str, attempt: Callable[[], Awaitable[None]], health: WorkerHealth | None
) -> None:
    async def once() -> None:
        try:
            await attempt()
        except StoreLoginError as error:
            raise SetupError(
                f"{where} rejected the credentials: check the user and the password in SPENDMETER_STORE_DSN"
            ) from error

    def report(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0.0
        reason = reason_of(error) if error is not None else ""
        log.warning("cannot use %s (%s); next attempt in %.0f s. %s", where, reason, wait, advice)
        if health is not None:
            health.report(name, f"{where}: {reason}")

    await AsyncRetrying(
        wait=wait_random_exponential(multiplier=1, min=1, max=_LONGEST_WAIT_SECONDS),
        retry=retry_if_exception_type((StoreError, KafkaError, OSError, asyncio.TimeoutError, NotReadyError)),
        before_sleep=report,
        reraise=True,
    )(once)
    if health is not None:
        health.report(name, None)
