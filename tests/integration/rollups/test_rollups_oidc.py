"""Tokens of a real local OIDC issuer: those that are accepted, and those that must be rejected. Row 23."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.testclient import TestClient
from pydantic import ValidationError

from spendmeter_clickhouse import Store
from spendmeter_rollups import ServiceSettings
from spendmeter_rollups.access.issuer_keys import IssuerKeys, IssuerUnreachableError
from spendmeter_rollups.access.oidc import OidcTokens
from spendmeter_rollups.problems import Problem
from tests.support.oidc import AUDIENCE, Issuer
from tests.support.service import service
from tests.support.usage import insert_usage, usage_row


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer().running() as issuer:
        yield issuer


@pytest.fixture(scope="module", autouse=True)
def _calls(store: Store) -> None:
    when = datetime(2026, 11, 20, tzinfo=UTC)
    insert_usage(store, [usage_row(1, when, org_id="acme"), usage_row(2, when, org_id="beta")])


@pytest.fixture
def client(store: Store, issuer: Issuer) -> Iterator[TestClient]:
    with service(store, oidc_issuer=issuer.url, oidc_audience=AUDIENCE) as client:
        yield client


def tokens(issuer: Issuer, *, cooldown_seconds: float = 30.0) -> OidcTokens:
    return OidcTokens(
        issuer=issuer.url,
        audience=AUDIENCE,
        algorithms=("RS256",),
        org_claim="org_id",
        scope_claim="scope",
        cooldown_seconds=cooldown_seconds,
    )


def ask(client: TestClient, token: str) -> Any:
    return client.get("/v1/usage/breakdown/org", headers={"Authorization": f"Bearer {token}"})


def orgs(response: Any) -> set[str]:
    assert response.status_code == 200, response.text
    return {row["key"]["org_id"] for row in response.json()["rows"]}


def test_a_platform_token_sees_all_and_an_org_token_its_claim(client: TestClient, issuer: Issuer) -> None:
    assert orgs(ask(client, issuer.token())) == {"acme", "beta"}
    assert orgs(ask(client, issuer.token(scope="openid org:read", org_id="acme"))) == {"acme"}
    assert orgs(ask(client, issuer.token(scope=["org:read"], org_id="beta"))) == {"beta"}


@pytest.mark.parametrize(
    "claims", [{"scope": "org:read"}, {"scope": "org:read", "org_id": ["acme"]}, {"scope": "admin"}, {"scope": None}]
)
def test_a_token_without_scope_or_org_sees_nothing(client: TestClient, issuer: Issuer, claims: dict[str, Any]) -> None:
    assert ask(client, issuer.token(**claims)).status_code == 403


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"nbf": int(time.time()) + 10**8},
        {"aud": "another service"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
    ],
)
def test_a_token_that_is_over_or_for_somebody_else_opens_nothing(
    client: TestClient, issuer: Issuer, claims: dict[str, Any]
) -> None:
    assert ask(client, issuer.token(**claims)).status_code == 401


def test_a_signature_that_is_not_the_issuers_opens_nothing(client: TestClient, issuer: Issuer) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = jwt.encode(issuer.claims(), stranger, algorithm="RS256", headers={"kid": issuer.kid})
    header, claims, _ = issuer.token().split(".")
    other = jwt.encode(issuer.claims(sub="eve"), stranger, algorithm="RS256").split(".")[1]
    for token in (forged, f"{header}.{other}.{issuer.token().split('.')[2]}", f"{header}.{claims}.", "a.b.c", ".."):
        assert ask(client, token).status_code == 401, token


def test_none_and_algorithms_that_are_not_pinned_open_nothing(client: TestClient, issuer: Issuer) -> None:
    unsigned = jwt.encode(issuer.claims(), "", algorithm="none", headers={"kid": issuer.kid})
    assert ask(client, unsigned).status_code == 401
    # Signed with the issuer's key, but not with the pinned algorithm.
    assert ask(client, issuer.token(algorithm="RS512")).status_code == 401
    assert ask(client, _signed_with_the_public_key(issuer)).status_code == 401


def _signed_with_the_public_key(issuer: Issuer) -> str:
    """Return a token signed with the public key as shared secret, by hand, because PyJWT refuses to create it."""
    parts = ({"alg": "HS256", "typ": "JWT", "kid": issuer.kid}, issuer.claims())
    text = ".".join(_base64(json.dumps(part).encode()) for part in parts)
    return f"{text}.{_base64(hmac.digest(issuer.public_pem(), text.encode(), hashlib.sha256))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


async def test_a_rotated_key_works_and_the_old_one_no_longer(issuer: Issuer) -> None:
    known = tokens(issuer, cooldown_seconds=0)
    old = issuer.token()
    assert await known.authenticate(old)
    issuer.rotate("second")
    assert await known.authenticate(issuer.token())
    assert await known.authenticate(old) is None


async def test_keys_are_kept_and_made_up_ids_do_not_reach_the_issuer(issuer: Issuer) -> None:
    known = tokens(issuer)
    for _ in range(5):
        assert await known.authenticate(issuer.token())
    for number in range(20):
        assert await known.authenticate(issuer.token(kid=f"made up {number}")) is None
    assert issuer.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}


def test_an_issuer_that_is_down_is_a_503(client: TestClient, issuer: Issuer) -> None:
    issuer.down = True
    response = ask(client, issuer.token())
    assert (response.status_code, response.json()["type"]) == (503, "urn:spendmeter:problem:issuer-unreachable")
    assert 1 <= int(response.headers["retry-after"]) <= 30
    # Other credentials do not need the issuer.
    assert client.get("/v1/usage/summary").status_code == 200


async def test_an_issuer_that_is_back_is_asked_again(issuer: Issuer) -> None:
    known = tokens(issuer, cooldown_seconds=0)
    issuer.down = True
    with pytest.raises(Problem):
        await known.authenticate(issuer.token())
    issuer.down = False
    assert await known.authenticate(issuer.token())


async def test_made_up_tokens_are_no_flood_for_an_issuer_that_is_down(issuer: Issuer) -> None:
    """Row L8: one attempt, for concurrent and later tokens together."""
    known = tokens(issuer)
    issuer.down = True
    made_up = [issuer.token(kid=f"made up {number}", sub=f"{number}") for number in range(50)]
    outcomes = await asyncio.gather(*map(known.authenticate, made_up), return_exceptions=True)
    for token in made_up:
        with pytest.raises(Problem) as refused:
            await known.authenticate(token)
        assert refused.value.status == 503
    assert all(isinstance(outcome, Problem) for outcome in outcomes)
    assert sum(issuer.asked.values()) + issuer.refused == 1


async def test_keys_outlive_an_outage_of_the_issuer(issuer: Issuer) -> None:
    now = 0.0
    keys = IssuerKeys(issuer.url, clock=lambda: now)
    assert await keys.find("first")
    issuer.down, now = True, 301.0
    assert await keys.find("first")
    assert await keys.find("made up") is None
    now = 3602.0
    with pytest.raises(IssuerUnreachableError):
        await keys.find("first")


@pytest.mark.parametrize("claims", [{"aud": "other"}, {"iss": "https://evil.example"}, {"exp": 1}, {"sub": None}])
async def test_claims_that_cannot_be_right_do_not_reach_the_issuer(issuer: Issuer, claims: dict[str, Any]) -> None:
    assert await tokens(issuer).authenticate(issuer.token(**claims)) is None
    assert issuer.asked == {}


@pytest.mark.parametrize("claims", [{"sub": "x" * 9000}, {"sub": "x" * 257}, {"sub": ""}])
async def test_a_token_or_a_name_of_any_length_opens_nothing(issuer: Issuer, claims: dict[str, Any]) -> None:
    assert await tokens(issuer).authenticate(issuer.token(**claims)) is None


def test_a_discovery_document_of_another_issuer_is_not_believed(client: TestClient, issuer: Issuer) -> None:
    issuer.name = "https://evil.example"
    assert ask(client, issuer.token()).status_code == 503


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"oidc_issuer": "http://issuer.example", "oidc_audience": "a"}, "https://"),
        ({"oidc_issuer": "file:///etc/passwd", "oidc_audience": "a"}, "https://"),
        ({"oidc_issuer": "https://issuer.example"}, "AUDIENCE"),
        ({"oidc_issuer": "https://i.example", "oidc_audience": "a", "oidc_algorithms": "RS256,HS256"}, "ALGORITHMS"),
        ({"oidc_issuer": "https://i.example", "oidc_audience": "a", "oidc_algorithms": "none"}, "ALGORITHMS"),
        ({"oidc_issuer": "https://i.example", "oidc_audience": "a", "oidc_algorithms": ""}, "ALGORITHMS"),
    ],
)
def test_settings_that_would_let_others_in_are_refused(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        ServiceSettings(**settings)
