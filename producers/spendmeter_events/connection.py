"""Kafka connection settings for producers, consumers and admin clients."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from spendmeter_events.errors import InvalidSettings

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_HOST: Final = re.compile(r"[\w.-]+|\[[0-9a-fA-F:.]+(%[\w.-]+)?\]|[0-9a-fA-F:.]+")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """Bootstrap servers (`host:port`, comma separated), client id and, optionally, TLS and SASL.

    TLS trusts the system's certificate authorities, or those of `ssl_cafile`. For a client certificate or other
    options, pass an `ssl_context`, which replaces both.
    Raises `InvalidSettings` with all errors.
    """

    bootstrap_servers: str
    client_id: str = "spendmeter-events"
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: SaslMechanism | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        faults = [*_address_faults(self.bootstrap_servers), *self._security_faults()]
        if faults:
            raise InvalidSettings("\n".join(faults))

    def _security_faults(self) -> list[str]:
        faults = []
        if self.security_protocol not in _PROTOCOLS:
            faults.append(f"security_protocol must be one of {', '.join(_PROTOCOLS)}")
        sasl = self.security_protocol.startswith("SASL_")
        if sasl and self.sasl_mechanism not in _MECHANISMS:
            faults.append(f"sasl_mechanism must be one of {', '.join(_MECHANISMS)}")
        if sasl and not (self.sasl_username and self.sasl_password):
            faults.append("SASL needs sasl_username and sasl_password")
        if not sasl and (self.sasl_mechanism or self.sasl_username or self.sasl_password):
            # Reject credentials that would be silently ignored.
            faults.append("sasl_* is given, but security_protocol is not SASL_PLAINTEXT or SASL_SSL")
        if not self.security_protocol.endswith("SSL") and (self.ssl_cafile or self.ssl_context):
            faults.append("ssl_* is given, but security_protocol is not SSL or SASL_SSL")
        return faults

    def client_options(self) -> dict[str, Any]:
        """Return keyword arguments for any aiokafka client. Raises `OSError` if `ssl_cafile` cannot be read."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = self.ssl_context or ssl.create_default_context(cafile=self.ssl_cafile)
        if self.sasl_mechanism is not None:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password
        return options


def _address_faults(bootstrap_servers: str) -> list[str]:
    addresses = [address.strip() for address in bootstrap_servers.split(",")]
    invalid = [address for address in addresses if not _is_address(address)]
    return [f"bootstrap_servers: {address!r} is not host:port" for address in invalid]


def _is_address(address: str) -> bool:
    host, separator, port = address.rpartition(":")
    return bool(_HOST.fullmatch(host) and separator and _PORT.fullmatch(port) and 0 < int(port) < 65536)
