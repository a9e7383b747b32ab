"""Which broker a command means: one that is named, the configured one, or a running embedded stack's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka.errors import KafkaError

from spendmeter_deploy.cli.file_import import require_broker
from spendmeter_deploy.embedded.folder import DataFolder
from spendmeter_deploy.errors import StartError
from spendmeter_deploy.settings import StackSettings
from spendmeter_stream.kafka.group_position import Stream, open_stream
from spendmeter_stream.settings import StreamSettings


def named_broker(bootstrap: str | None) -> StreamSettings | None:
    """Settings of the broker in `bootstrap` or SPENDMETER_BOOTSTRAP; None where neither is given."""
    settings = StreamSettings() if bootstrap is None else StreamSettings(bootstrap=bootstrap)
    return settings if "bootstrap" in settings.model_fields_set else None


def any_broker(data_dir: Path | None, bootstrap: str | None) -> StreamSettings:
    """The named broker, or that of the embedded stack which runs on `data_dir`.

    :raises StartError: none is named, and no stack runs there.
    """
    named = named_broker(bootstrap)
    if named is not None and (data_dir is None or bootstrap is not None):
        return named
    folder = DataFolder(data_dir or StackSettings().data_dir)
    return StreamSettings(bootstrap=folder.whereabouts().bootstrap)


@asynccontextmanager
async def asking(settings: StreamSettings) -> AsyncIterator[None]:
    """Turn a broker that does not answer into one line; a client by itself would wait for it for ever.

    :raises StartError: it does not answer, or ceases to.
    """
    await require_broker(settings.connection())
    try:
        yield
    except KafkaError as error:
        raise StartError(f"the broker on {settings.bootstrap} failed: {type(error).__name__} {error}") from error


@asynccontextmanager
async def stream_or_none(settings: StreamSettings | None) -> AsyncIterator[Stream | None]:
    """The stream that the worker's group reads from; None without a broker. Raises like `asking`."""
    if settings is None:
        yield None
        return
    async with asking(settings), open_stream(settings) as stream:
        yield stream
