"""Which URLs may be fetched for keys: over https, or from this machine."""

from __future__ import annotations

import pytest

from spendmeter_clickhouse.urls import is_https_or_local


@pytest.mark.parametrize(
    "url",
    ["https://issuer.example/keys", "http://127.0.0.1:8080/keys", "http://localhost/keys", "http://[::1]:80/keys"],
)
def test_https_and_this_machine_are_allowed(url: str) -> None:
    assert is_https_or_local(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/keys",
        "http://127.0.0.1.evil.example/keys",
        "http://localhost.evil.example/keys",
        "http://localhost@evil.example/keys",
        "ftp://localhost/keys",
        "file:///etc/passwd",
        "None",
    ],
)
def test_a_host_whose_name_begins_like_this_machines_is_not_allowed(url: str) -> None:
    assert not is_https_or_local(url)
