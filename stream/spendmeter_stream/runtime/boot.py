"""Faust app with a custom start order: the HTTP server, then Kafka and the store, then Faust's own services."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import faust
import mode
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager

from spendmeter_stream.kafka.topic_admin import APP
from spendmeter_stream.settings import StreamSettings

# Never created, see `WorkerApp`. If Faust writes there anyway, it does not use the working directory.
_DATA: Final = Path(tempfile.gettempdir()) / APP
ANY_PORT: Final = 1
"""Stands for port 0 (any free port), which Faust rejects. Port 1 needs privileges, so it is not used otherwise."""


class _Boot(BootStrategy):
    app: WorkerApp

    def server(self) -> Iterable[mode.ServiceT]:
        """Return all services in start order. They stop in reverse order."""
        return [*self.app.first, *super().server()]

    def web_server(self) -> Iterable[mode.ServiceT]:
        """Disable Faust's web server: it starts after Kafka, and exposes internals without authentication."""
        return []


class _NoTables(TableManager):
    """A table manager without Faust's pause of a second, in which an app may add tables. There are none."""

    mundane_level = "debug"

    async def sleep(self, *_: object) -> None:
        """Do not sleep."""


class WorkerApp(faust.App):
    """A Faust app that starts `first` before all other services, and writes no files."""

    # Keep Faust's progress messages on Faust's logger, so that our log level does not show them.
    logger = logging.getLogger("faust.app")
    BootStrategy = _Boot
    first: Sequence[mode.ServiceT] = ()

    def _create_directories(self) -> None:
        """Create none: they are for Faust tables, which are not used, and container file systems are read-only."""


def faust_options(settings: StreamSettings) -> dict[str, Any]:
    """Return Faust's configuration for `settings`."""
    options: dict[str, Any] = {
        "broker": [f"kafka://{address.strip()}" for address in settings.bootstrap.split(",")],
        "datadir": str(_DATA),
        "autodiscover": False,
        "store": "memory://",
        "TableManager": _NoTables,
        "topic_allow_declare": False,
        "topic_partitions": 1,
        "topic_replication_factor": settings.replication,
        "broker_session_timeout": settings.session_timeout_ms / 1000,
        "broker_rebalance_timeout": settings.rebalance_timeout_ms / 1000,
        "broker_heartbeat_interval": settings.session_timeout_ms / 1000 / 4,
        "web_bind": settings.worker_host,
        "web_port": settings.worker_port or ANY_PORT,
    }
    ssl_context = settings.client_options().get("ssl_context")
    if settings.security_protocol == "SSL":
        options["broker_credentials"] = ssl_context
    elif settings.security_protocol != "PLAINTEXT":
        options["broker_credentials"] = faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password,
            mechanism=settings.sasl_mechanism,
            ssl_context=ssl_context,
        )
    return options
