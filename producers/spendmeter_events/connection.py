"""Connection settings: Kafka, for producers, consumers and admin clients; or the collector."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

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

    def check_files(self) -> None:
        """Read the certificates. Raises `OSError` if `ssl_cafile` cannot be read."""
        self.client_options()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConnection:
    """URL of `spendmeter collect` or of the embedded stack, and an API key with the scope `events:write`.

    `http://` sends key and events in plain text: use it only for loopback and inside a trusted network. TLS trusts the
    system's certificate authorities, or those of `ssl_cafile`.
    Raises `InvalidSettings` with all errors.
    """

    url: str
    key: str = field(default="", repr=False)
    ssl_cafile: str | None = None

    def __post_init__(self) -> None:
        faults = [] if _is_http_url(self.url) else ["url must be http://HOST[:PORT] or https://HOST[:PORT], no query"]
        if not (self.key.isascii() and self.key.isprintable() and " " not in self.key):
            faults.append("key must be printable ASCII without spaces")
        if faults:
            raise InvalidSettings("\n".join(faults))

    @property
    def host(self) -> str:
        """Host name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int | None:
        """Port, if the URL has one."""
        return urlsplit(self.url).port

    @property
    def path(self) -> str:
        """Prefix of the path, for a collector behind a proxy."""
        return urlsplit(self.url).path.rstrip("/")

    @property
    def secure(self) -> bool:
        """Whether requests use TLS."""
        return urlsplit(self.url).scheme == "https"

    def check_files(self) -> None:
        """Read the certificates. Raises `OSError` if `ssl_cafile` cannot be read."""
        if self.secure:
            self.tls()

    def tls(self) -> ssl.SSLContext:
        """Return the TLS context. Raises `OSError` if `ssl_cafile` cannot be read."""
        return ssl.create_default_context(cafile=self.ssl_cafile)


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    printable = url.isascii() and url.isprintable() and " " not in url
    return bool(parts.scheme in ("http", "https") and parts.hostname and plain and printable and port != 0)


def _address_faults(bootstrap_servers: str) -> list[str]:
    addresses = [address.strip() for address in bootstrap_servers.split(",")]
    invalid = [address for address in addresses if not _is_address(address)]
    return [f"bootstrap_servers: {address!r} is not host:port" for address in invalid]


def _is_address(address: str) -> bool:
    host, separator, port = address.rpartition(":")
    return bool(_HOST.fullmatch(host) and separator and _PORT.fullmatch(port) and 0 < int(port) < 65536)
