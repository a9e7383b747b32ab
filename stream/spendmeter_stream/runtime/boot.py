"""The Faust app as this worker needs it: our own port first, then what must be reached, then all of Faust."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import faust
import mode
from faust.app.base import BootStrategy

from spendmeter_stream.kafka.topic_admin import APP
from spendmeter_stream.settings import StreamSettings

# Never made, see `WorkerApp`; but should Faust find another way to write there, then not into the working folder.
_DATA: Final = Path(tempfile.gettempdir()) / APP
ANY_PORT: Final = 1
"""Faust takes no 0, which asks for a free port; nobody can mean this one, which needs privileges."""


class _Boot(BootStrategy):
    app: WorkerApp

    def server(self) -> Iterable[mode.ServiceT]:
        """All services, in the order of their start; they stop in the opposite order."""
        return [*self.app.first, *super().server()]

    def web_server(self) -> Iterable[mode.ServiceT]:
        """None of Faust's: it starts after Kafka, and shows the app's insides to everyone."""
        return []


class WorkerApp(faust.App):
    """A Faust app that starts `first` before anything else, and writes no files."""

    # Faust's own progress reports stay under Faust's name, so that our log level does not let them through.
    logger = logging.getLogger("faust.app")
    BootStrategy = _Boot
    first: Sequence[mode.ServiceT] = ()

    def _create_directories(self) -> None:
        """Make none: tables would live there, and this worker has none. A container's folders cannot be written."""


def faust_options(settings: StreamSettings) -> dict[str, Any]:
    """Faust's configuration for `settings`."""
    options: dict[str, Any] = {
        "broker": [f"kafka://{address.strip()}" for address in settings.bootstrap.split(",")],
        "datadir": str(_DATA),
        "autodiscover": False,
        "store": "memory://",
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
