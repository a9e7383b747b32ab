"""Check the `SPENDMETER_*` environment before a command starts: unknown names and invalid values.

Without the check, a misspelt setting would silently keep its default.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from spendmeter_clickhouse import StoreSettings
from spendmeter_deploy.dotenv import read_dotenv
from spendmeter_deploy.settings import StackSettings
from spendmeter_events.errors import SpendmeterError
from spendmeter_events.settings import ProducerSettings
from spendmeter_rollups.settings import ServiceSettings
from spendmeter_stream.errors import StreamError
from spendmeter_stream.guard.evaluate.thresholds import load_thresholds
from spendmeter_stream.pricing import PriceBook, PriceBookError
from spendmeter_stream.settings import StreamSettings

PREFIX: Final = "SPENDMETER_"
SETTINGS: Final[tuple[type[BaseSettings], ...]] = (StoreSettings, StreamSettings, ServiceSettings, StackSettings)
"""All settings classes; `.env.example` lists their variables."""
DEPLOYMENT: Final = frozenset(
    {
        # deploy/compose.yaml and clickhouse/users/spendmeter.xml
        "SPENDMETER_OWNER_PASSWORD",
        "SPENDMETER_WORKER_PASSWORD",
        "SPENDMETER_SERVICE_PASSWORD",
        "SPENDMETER_COLLECTOR_PASSWORD",
        "SPENDMETER_READER_PASSWORD",
        "SPENDMETER_BOARDS_PASSWORD",
        # grafana/provisioning
        "SPENDMETER_CLICKHOUSE_HOST",
        "SPENDMETER_CLICKHOUSE_PORT",
        "SPENDMETER_CLICKHOUSE_SECURE",
        "SPENDMETER_CLICKHOUSE_READER",
        "SPENDMETER_CLICKHOUSE_DATABASE",
        "SPENDMETER_PROMETHEUS_URL",
        "SPENDMETER_RUNBOOKS",
        # emitting services (docs/emitting.md)
        "SPENDMETER_COLLECTOR_URL",
        "SPENDMETER_COLLECTOR_KEY",
        # tests and benchmarks
        "SPENDMETER_REQUIRE_ALL",
        "SPENDMETER_UPDATE_DOCS",
        "SPENDMETER_SCHEMA_EXAMPLES",
    }
)
"""Known variables that are not settings: for deployment, emitting services, tests and benchmarks."""
_EMITTING: Final = frozenset(f"SPENDMETER_EMIT_{field.name}".upper() for field in fields(ProducerSettings))
_TOOLS: Final = ("SPENDMETER_TEST_", "SPENDMETER_BENCH_")
# Kubernetes sets these for every Service of the namespace whose name starts with "spendmeter".
_SERVICE_LINK: Final = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP)(_\w+)?$")
# `KafkaConnection` reports faults by its argument names.
_CONNECTION: Final = re.compile(r"\b(?:bootstrap_servers|security_protocol|(?:sasl|ssl)_(?:\w+|\*))")


def setting_names() -> frozenset[str]:
    """Return the names of all settings variables."""
    return frozenset(f"{PREFIX}{name}".upper() for group in SETTINGS for name in group.model_fields)


def unknown_names(environment: Iterable[str], *, dotenv: Path) -> list[str]:
    """Return the unknown `SPENDMETER_*` variables of `environment` and of the file `dotenv`, sorted."""
    names = {name for name in environment if name.upper().startswith(PREFIX)} | read_dotenv(dotenv).keys()
    known = setting_names() | DEPLOYMENT | _EMITTING
    # Settings are case-insensitive.
    return sorted(name for name in names if name.upper() not in known and not _foreign(name))


def describe_unknown(names: Iterable[str]) -> str:
    """Return one line that names each unknown variable and the most similar setting."""
    return "; ".join(_described(name) for name in names)


def invalid_values() -> list[str]:
    """Return a message for each invalid setting in the environment."""
    faults: list[str] = []
    for group in SETTINGS:
        try:
            settings = group()
            if isinstance(settings, StreamSettings):
                settings.client_options()
        except ValidationError as error:
            faults += describe_faults(error)
        except SpendmeterError as error:
            faults += [_CONNECTION.sub(_variable, line) for line in str(error).splitlines()]
        except OSError as error:
            faults.append(f"SPENDMETER_SSL_CAFILE: {error.strerror or error}")
    return list(dict.fromkeys(faults))


def invalid_files() -> list[str]:
    """Return a message for each file of the environment that a worker could not load. The settings must be valid."""
    settings, faults = StreamSettings(), []
    if settings.guard_thresholds_path is not None:
        try:
            load_thresholds(settings.guard_thresholds_path)
        except StreamError as error:
            faults.append(f"SPENDMETER_GUARD_THRESHOLDS_PATH: {error}")
    if settings.prices_path is not None:
        try:
            PriceBook.load(settings.prices_path)
        except PriceBookError as error:
            first, count = error.faults[0], len(error.faults)
            more = f" and {count - 1} more; run `spendmeter prices check --directory {settings.prices_path}`"
            faults.append(f"SPENDMETER_PRICES_PATH: {first}{more if count > 1 else ''}")
    return faults


def describe_faults(error: ValidationError) -> list[str]:
    """Return the faults of `error` by variable name, without values: some are secret."""
    return [_fault(fault["loc"], fault["msg"]) for fault in error.errors(include_input=False)]


def check(environment: Mapping[str, str], *, dotenv: Path, files: bool = False) -> tuple[str, str]:
    """Return one line on unknown names and one on invalid values, each empty if there are none.

    :param files: also load the files that the settings name, as a worker does.
    """
    try:
        if dotenv.is_file():
            dotenv.read_bytes()
    except OSError as error:
        return "", f"cannot read {dotenv} ({error.strerror or error}): make it readable for this user, or remove it"
    unknown = unknown_names(environment, dotenv=dotenv)
    faults = invalid_values() or (invalid_files() if files else [])
    return describe_unknown(unknown), f"invalid setting: {'; '.join(faults)}" if faults else ""


def _variable(argument: re.Match[str]) -> str:
    return f"{PREFIX}{argument[0].removesuffix('_servers')}".upper()


def _foreign(name: str) -> bool:
    return name.startswith(_TOOLS) or bool(_SERVICE_LINK.search(name))


def _described(name: str) -> str:
    # Compare without the shared prefix: it would make any two names similar.
    known = sorted(setting.removeprefix(PREFIX) for setting in setting_names() | _EMITTING)
    nearest = difflib.get_close_matches(name.upper().removeprefix(PREFIX), known, n=1)
    return f"{name} is not a setting" + (f"; did you mean {PREFIX}{nearest[0]}?" if nearest else "")


def _fault(location: tuple[int | str, ...], message: str) -> str:
    # Messages of checks over several settings contain their names.
    text = message.removeprefix("Value error, ")
    return f"{PREFIX}{'.'.join(map(str, location)).upper()}: {text}" if location else text
