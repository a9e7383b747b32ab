"""Choose the broker of a command: `--bootstrap`, SPENDMETER_BOOTSTRAP, or the broker of a running embedded stack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from spendmeter_deploy.cli.running import refuse
from spendmeter_deploy.embedded.folder import DataFolder
from spendmeter_deploy.errors import StartError
from spendmeter_deploy.settings import StackSettings
from spendmeter_events.connection import KafkaConnection
from spendmeter_stream.kafka.group_position import Stream, open_stream
from spendmeter_stream.settings import StreamSettings


def named_broker(bootstrap: str | None) -> StreamSettings | None:
    """Return the settings for `bootstrap` or SPENDMETER_BOOTSTRAP, or None if neither is given."""
    settings = StreamSettings() if bootstrap is None else StreamSettings(bootstrap=bootstrap)
    return settings if "bootstrap" in settings.model_fields_set else None


def any_broker(data_dir: Path | None, bootstrap: str | None) -> StreamSettings:
    """Return the settings for the named broker, or for the embedded stack that runs on `data_dir`, or exit with 2."""
    named = named_broker(bootstrap)
    if named is not None and (data_dir is None or bootstrap is not None):
        return named
    folder = DataFolder(data_dir or StackSettings().data_dir)
    try:
        return StreamSettings(bootstrap=folder.running_stack().bootstrap)
    except StartError as error:
        raise refuse(str(error)) from error


@asynccontextmanager
async def broker_errors(settings: StreamSettings) -> AsyncIterator[None]:
    """Check that the broker answers, and convert Kafka errors of the block to `StartError`.

    Without the check a client would retry forever.

    :raises StartError: the broker does not answer, or a request fails.
    """
    await require_broker(settings.connection())
    try:
        yield
    except KafkaError as error:
        raise StartError(f"the broker on {settings.bootstrap} failed: {type(error).__name__} {error}") from error


@asynccontextmanager
async def stream_or_none(settings: StreamSettings | None) -> AsyncIterator[Stream | None]:
    """Open the stream that the worker's group consumes; yield None without a broker. Raises like `broker_errors`."""
    if settings is None:
        yield None
        return
    async with broker_errors(settings), open_stream(settings) as stream:
        yield stream


async def require_broker(connection: KafkaConnection) -> None:
    """Check that a broker answers: a producer would retry forever.

    :raises StartError: no broker answers within 5 seconds.
    """
    admin = AIOKafkaAdminClient(**connection.client_options(), request_timeout_ms=5000)
    try:
        await admin.start()
    except (KafkaError, OSError) as error:
        raise StartError(
            f"cannot reach Kafka at {connection.bootstrap_servers} ({error}); check --bootstrap or SPENDMETER_BOOTSTRAP"
        ) from error
    finally:
        with suppress(KafkaError, OSError):
            await admin.close()
