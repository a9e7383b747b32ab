"""Read connection and settings of a producer from `SPENDMETER_*` variables (docs/emitting.md)."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from spendmeter_events.connection import HttpConnection, KafkaConnection
from spendmeter_events.errors import InvalidSettings
from spendmeter_events.settings import ProducerSettings

_PREFIX: Final = "SPENDMETER_"
_EMIT: Final = "SPENDMETER_EMIT_"
_ARGUMENT: Final = re.compile(r"\b(?:bootstrap_servers|security_protocol|(?:sasl|ssl)_(?:\w+|\*))")


def connection_from(environment: Mapping[str, str] = os.environ) -> KafkaConnection | HttpConnection:
    """Return the collector of `SPENDMETER_COLLECTOR_URL`, else the brokers of `SPENDMETER_BOOTSTRAP`.

    Raises `InvalidSettings` with the names of the variables.
    """
    given = {name: environment.get(_PREFIX + name, "").strip() for name in _NAMES}
    if given["COLLECTOR_URL"]:
        cafile = given["SSL_CAFILE"] or None
        try:
            return HttpConnection(url=given["COLLECTOR_URL"], key=given["COLLECTOR_KEY"], ssl_cafile=cafile)
        except InvalidSettings as error:
            lines = str(error).splitlines()
            raise InvalidSettings("\n".join(f"SPENDMETER_COLLECTOR_{_upper_first(line)}" for line in lines)) from None
    if not given["BOOTSTRAP"]:
        raise InvalidSettings("set SPENDMETER_COLLECTOR_URL=https://HOST or SPENDMETER_BOOTSTRAP=HOST:PORT")
    try:
        return _kafka(given)
    except InvalidSettings as error:
        raise InvalidSettings(_ARGUMENT.sub(_variable, str(error))) from None


def settings_from(environment: Mapping[str, str] = os.environ) -> ProducerSettings:
    """Return the settings of the variables `SPENDMETER_EMIT_…`. Raises `InvalidSettings`, also for an unknown one."""
    found: dict[str, Any] = {}
    faults = unknown_settings(environment)
    for field in fields(ProducerSettings):
        text = environment.get(_EMIT + field.name.upper(), "").strip()
        if not text:
            continue
        try:
            found[field.name] = _converted(text, field.default)
        except ValueError:
            faults.append(f"{_EMIT}{field.name.upper()} must be a number")
    if faults:
        raise InvalidSettings("\n".join(faults))
    try:
        return ProducerSettings(**found)
    except InvalidSettings as error:
        lines = str(error).splitlines()
        raise InvalidSettings("\n".join(f"{_EMIT}{_upper_first(line)}" for line in lines)) from None


def unknown_settings(names: Iterable[str]) -> list[str]:
    """Return a message for each name `SPENDMETER_EMIT_…` that is not a setting, with the most similar one."""
    known = [field.name.upper() for field in fields(ProducerSettings)]
    given = sorted(name.removeprefix(_EMIT) for name in names if name.startswith(_EMIT))
    return [_unknown(name, known) for name in given if name not in known]


_NAMES: Final = (
    "COLLECTOR_URL",
    "COLLECTOR_KEY",
    "BOOTSTRAP",
    "SECURITY_PROTOCOL",
    "SASL_MECHANISM",
    "SASL_USERNAME",
    "SASL_PASSWORD",
    "SSL_CAFILE",
)


def _unknown(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name.upper(), list(known), n=1)
    return f"{_EMIT}{name} is not a setting" + (f"; did you mean {_EMIT}{nearest[0]}?" if nearest else "")


def _kafka(given: Mapping[str, str]) -> KafkaConnection:
    protocol: Any = given["SECURITY_PROTOCOL"] or "PLAINTEXT"
    sasl = protocol.startswith("SASL_")
    mechanism: Any = given["SASL_MECHANISM"] or ("SCRAM-SHA-512" if sasl else None)
    return KafkaConnection(
        bootstrap_servers=given["BOOTSTRAP"],
        security_protocol=protocol,
        sasl_mechanism=mechanism,
        sasl_username=given["SASL_USERNAME"] or None,
        sasl_password=given["SASL_PASSWORD"] or None,
        ssl_cafile=given["SSL_CAFILE"] or None,
    )


def _converted(text: str, default: object) -> object:
    if isinstance(default, int):
        return int(text)
    if isinstance(default, float):
        return float(text)
    return Path(text).expanduser() if default is None else text


def _variable(argument: re.Match[str]) -> str:
    return f"{_PREFIX}{argument[0].removesuffix('_servers')}".upper()


def _upper_first(line: str) -> str:
    name, _, rest = line.partition(" ")
    return f"{name.upper()} {rest}"
