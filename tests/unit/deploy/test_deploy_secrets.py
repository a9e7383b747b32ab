"""Keys and tokens that an operator chooses are long and random, or rejected with a remedy (row L12)."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from spendmeter_rollups import ServiceSettings
from spendmeter_stream.settings import StreamSettings

WEAK = ["a", "admin", "changeme", "short-of-32-characters-by-one..", "a" * 64, "ab" * 32, "0123456789" * 5]
WEAK += ["passwordpasswordpasswordpassword", "spendmeter" * 4, " " * 40]


@pytest.mark.parametrize("name", ["admin_key", "metrics_token"])
@pytest.mark.parametrize("weak", WEAK)
def test_guessable_secrets_are_rejected_without_being_shown(name: str, weak: str) -> None:
    with pytest.raises(ValidationError, match="openssl rand -hex 32") as refused:
        ServiceSettings.model_validate({name: weak})
    (fault,) = refused.value.errors(include_input=False)
    assert weak not in fault["msg"] or len(weak) < 6
    assert "\n" not in fault["msg"]


@pytest.mark.parametrize("generate", [lambda: secrets.token_hex(16), lambda: secrets.token_urlsafe(32)])
def test_generated_secrets_are_accepted(generate: Callable[[], str]) -> None:
    for secret in ["", *(generate() for _ in range(1000))]:
        assert ServiceSettings(admin_key=secret, metrics_token=secret).admin_key == secret


def test_a_worker_refuses_a_weak_token_too() -> None:
    with pytest.raises(ValidationError, match="openssl rand -hex 32"):
        StreamSettings(metrics_token="metrics")
