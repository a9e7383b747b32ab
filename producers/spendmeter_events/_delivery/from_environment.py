"""Read connection and settings of a producer from `SPENDMETER_*` variables (docs/emitting.md)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
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
    """Return the settings of the variables `SPENDMETER_EMIT_…`. Raises `InvalidSettings`."""
    found: dict[str, Any] = {}
    faults = []
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
