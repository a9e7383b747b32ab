"""Check the URLs and hosts of settings. Messages never repeat the URL, which may contain a password."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_HOST: Final = re.compile(r"[\w.-]+|[0-9a-f:.]+(%[\w.-]+)?", re.IGNORECASE)


def url_fault(url: str, schemes: Collection[str] = ("http", "https")) -> str:
    """Return what is wrong with `url`, or an empty string if a client can connect to it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Python's message repeats a part of the URL.
        return "is no valid URL: check its host and port"
    if parts.scheme not in schemes:
        return f"must start with one of {', '.join(f'{scheme}://' for scheme in schemes)}"
    if not host or not _HOST.fullmatch(host):
        return "has no valid host name"
    if port == 0:
        return "has port 0"
    return ""


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server that listens on `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_https_or_local(url: str) -> bool:
    """Return whether nobody on the network can read or change what this URL returns. Raises `ValueError`."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def is_origin(url: str) -> bool:
    """Return whether `url` is a web origin as browsers send it: scheme, host and port, without a path."""
    return not url_fault(url) and not any(urlsplit(url)[2:]) and "@" not in url and not url.endswith(("/", "?", "#"))
