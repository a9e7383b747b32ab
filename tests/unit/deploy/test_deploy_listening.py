"""The listening socket of `up`, `demo` and `serve`: its errors name what to change, its URL works on this machine."""

from __future__ import annotations

from contextlib import closing

import pytest

from spendmeter_deploy.errors import StartError
from spendmeter_deploy.listening import listen, url_of


@pytest.mark.parametrize(
    ("host", "setting"),
    [
        ("no.such.host.invalid", "choose another SPENDMETER_HOST"),
        ("x" * 64, "(not a host name): choose another SPENDMETER_HOST"),
        # Addresses for documentation (RFC 5737), which no interface has.
        ("192.0.2.1", "cannot listen on 192.0.2.1:0 (Cannot assign requested address): choose another SPENDMETER_HOST"),
        ("fe80::1", "cannot listen on [fe80::1]:0 (a link-local address needs its interface, as in fe80::1%eth0)"),
    ],
)
def test_an_address_that_this_machine_lacks_names_the_setting_of_the_host(host: str, setting: str) -> None:
    with pytest.raises(StartError) as caught:
        listen(host, 0, host_setting="SPENDMETER_HOST")

    assert setting in str(caught.value)
    assert "--port" not in str(caught.value)


def test_a_port_in_use_names_the_option_of_the_port() -> None:
    with closing(listen("127.0.0.1", 0, host_setting="--host")) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=rf"cannot listen on 127\.0\.0\.1:{port} .*: choose another --port"):
            listen("127.0.0.1", port, host_setting="--host")


@pytest.mark.parametrize(("host", "local"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])  # noqa: S104 - what a container listens on
def test_the_url_is_reachable_from_this_machine(host: str, local: str) -> None:
    with closing(listen(host, 0, host_setting="--host")) as listener:
        assert url_of(listener) == f"http://{local}:{listener.getsockname()[1]}"
