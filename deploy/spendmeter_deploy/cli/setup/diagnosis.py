"""The checks of `spendmeter doctor`. Each returns findings; none raises."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from spendmeter_clickhouse import Store, StoreError, StoreSettings, pending_migrations
from spendmeter_deploy.cli.brokers import named_broker
from spendmeter_deploy.dotenv import read_dotenv
from spendmeter_deploy.embedded.folder import DataFolder, StackAddress
from spendmeter_deploy.environment import PREFIX, SETTINGS, check
from spendmeter_deploy.errors import StartError
from spendmeter_deploy.settings import StackSettings
from spendmeter_events.topics import topic_specs
from spendmeter_stream.settings import StreamSettings

_MOST_CLOCK_SECONDS: Final = 5.0
_SECRET: Final = re.compile(r"PASSWORD|SECRET|TOKEN|KEY|DSN|URL|WEBHOOK")
_LOGIN: Final = re.compile(r"(//[^:/@]*:)\S*@")


class Diagnosis(NamedTuple):
    """The result of one check."""

    ok: bool
    check: str
    text: str
    """What was found and, if it is not ok, what to do."""


def settings_in_force(environment: Mapping[str, str] = os.environ) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and source of each setting that is not the default. Secrets are masked."""
    file = read_dotenv()
    names = dict.fromkeys(f"{PREFIX}{name}".upper() for group in SETTINGS for name in group.model_fields)
    for name in names:
        value = environment.get(name, "")
        if value:
            yield name, _masked(name, value), ".env" if file.get(name) == value else "environment"


def defaults() -> dict[str, str]:
    """Return the default of each setting, as text."""
    found: dict[str, str] = {}
    for group in SETTINGS:
        found |= {f"{PREFIX}{name}".upper(): _default(group, name) for name in group.model_fields}
    return found


def check_settings(environment: Mapping[str, str] = os.environ) -> list[Diagnosis]:
    """Check names and values of the environment."""
    unknown, invalid = check(environment, dotenv=Path(".env"), files=True)
    found = [Diagnosis(False, "settings", f"{text}; correct it") for text in (invalid, unknown) if text]
    return found or [Diagnosis(True, "settings", "all names and values are valid")]


async def check_kafka(data_dir: Path | None) -> list[Diagnosis]:
    """Check that a broker answers, and that it has the topics."""
    settings = named_broker(None) if data_dir is None else None
    stack = _running(data_dir)
    if settings is None:
        settings = StreamSettings(bootstrap=stack.bootstrap) if stack else StreamSettings()
    admin = AIOKafkaAdminClient(**settings.client_options(), request_timeout_ms=5000)
    try:
        await admin.start()
        present = set(await admin.list_topics())
    except (KafkaError, OSError) as error:
        advice = "start it, or set SPENDMETER_BOOTSTRAP; `spendmeter up` starts an embedded one"
        return [Diagnosis(False, "kafka", f"no answer from {settings.bootstrap} ({error}): {advice}")]
    finally:
        with suppress(KafkaError, OSError):
            await admin.close()
    missing = [spec.name for spec in topic_specs(usage_partitions=1) if spec.name not in present]
    topics = f"missing: {', '.join(missing)}; a worker creates them at its start" if missing else "all topics exist"
    return [Diagnosis(True, "kafka", f"{settings.bootstrap} answers"), Diagnosis(not missing, "topics", topics)]


async def check_store(data_dir: Path | None) -> list[Diagnosis]:
    """Check that the store answers, and compare its schema and clock with this process."""
    settings, stack = StoreSettings(), _running(data_dir)
    if settings.embedded or data_dir is not None:
        if stack is not None:
            return [Diagnosis(True, "store", f"in use by the embedded stack at {stack.url} (process {stack.pid})")]
        folder = DataFolder(data_dir or StackSettings().data_dir)
        if not folder.store.is_dir():
            advice = "run `spendmeter up`, or set SPENDMETER_STORE_DSN=https://USER:PASSWORD@HOST:8443/DATABASE"
            return [Diagnosis(False, "store", f"no store in {folder.path}: {advice}")]
        settings = StoreSettings(store_dsn=folder.store_dsn)
    try:
        with Store(settings) as store:
            return await _inspect(store)
    except StoreError as error:
        if "UNKNOWN_DATABASE" in str(error):
            return [Diagnosis(False, "schema", "the database does not exist: run `spendmeter migrate`")]
        advice = "start it, or correct SPENDMETER_STORE_DSN"
        return [Diagnosis(False, "store", f"{_without_password(str(error))}: {advice}")]


async def _inspect(store: Store) -> list[Diagnosis]:
    with store.session("doctor") as session:
        rows = await session.query("SELECT version(), toUnixTimestamp64Milli(now64(3))")
        ((version, milliseconds),) = rows.result_rows
    found = [Diagnosis(True, "store", f"ClickHouse {version} answers"), _clock(milliseconds)]
    try:
        pending = await pending_migrations(store)
    except StoreError as error:
        return [*found, Diagnosis(False, "schema", f"{error}: run `spendmeter migrate`")]
    text = f"{len(pending)} migrations are pending: run `spendmeter migrate`" if pending else "up to date"
    return [*found, Diagnosis(not pending, "schema", text)]


def _clock(milliseconds: int) -> Diagnosis:
    ahead = milliseconds / 1000 - datetime.now(UTC).timestamp()
    if abs(ahead) <= _MOST_CLOCK_SECONDS:
        return Diagnosis(True, "clock", "agrees with the store")
    text = f"the store is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}: synchronise both clocks (NTP)"
    return Diagnosis(False, "clock", text)


def _running(data_dir: Path | None) -> StackAddress | None:
    try:
        return DataFolder(data_dir or StackSettings().data_dir).running_stack()
    except StartError:
        return None


def _masked(name: str, value: str) -> str:
    if "DSN" in name or ("://" in value and not _SECRET.search(name)):
        return _without_password(value.partition("?")[0])
    return "***" if _SECRET.search(name) else value


def _default(group: type[BaseSettings], name: str) -> str:
    value = group.model_fields[name].default
    return "" if value is None or value is PydanticUndefined else str(value)


def _without_password(text: str) -> str:
    return _LOGIN.sub(r"\1***@", text)
