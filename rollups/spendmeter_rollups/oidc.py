"""Recognises tokens of an OpenID Connect issuer: signed by a key it publishes, for us, and not over.

The signature algorithms are pinned in the settings and all asymmetric: neither `none` nor a public key used as a
shared secret can pass (RFC 8725, 3.1 and 3.2). The issuer's key set is found by discovery (OpenID Connect Discovery
1.0, 4) and kept for five minutes; a token signed with a key that is not in it makes it be read anew, at most every
`cooldown_seconds`, so that a rotated key works and a flood of made-up key ids does not reach the issuer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import urllib.request
from typing import Any, Final

import jwt
from jwt import PyJWKClient
from jwt.exceptions import PyJWKClientConnectionError, PyJWTError

from spendmeter_clickhouse.scopes import SCOPES
from spendmeter_rollups.auth import Credential
from spendmeter_rollups.problems import Problem

log = logging.getLogger(__name__)

_LEEWAY_SECONDS: Final = 30
_TIMEOUT_SECONDS: Final = 5.0
_NEEDED: Final = ("exp", "iat", "iss", "aud", "sub")
_JWT_DOTS: Final = 2


class OidcTokens:
    """Tokens of one issuer. The org comes from a claim of the token, never from the request."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        algorithms: tuple[str, ...],
        org_claim: str,
        scope_claim: str,
        cooldown_seconds: float = 30.0,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._algorithms = list(algorithms)
        self._org_claim = org_claim
        self._scope_claim = scope_claim
        self._cooldown = cooldown_seconds
        self._keys: PyJWKClient | None = None

    async def authenticate(self, token: str) -> Credential | None:
        """None for what is no token of this issuer for us. Raises `Problem` (503) where its keys cannot be had."""
        if token.count(".") != _JWT_DOTS:
            return None
        try:
            claims = await asyncio.to_thread(self._verified, token)
        except (PyJWKClientConnectionError, OSError) as error:
            log.warning("the OIDC issuer does not answer: %s", type(error).__name__)
            raise _unreachable() from error
        except (PyJWTError, ValueError) as error:
            # The reason helps an operator; the token itself, or a claim of it, must not be in a log.
            log.info("token refused: %s", type(error).__name__)
            return None
        return self._credential(claims)

    def _verified(self, token: str) -> dict[str, Any]:
        if jwt.get_unverified_header(token).get("alg") not in self._algorithms:
            raise jwt.InvalidAlgorithmError
        if self._keys is None:
            self._keys = PyJWKClient(
                _discovered(self._issuer), timeout=_TIMEOUT_SECONDS, cooldown_duration=self._cooldown
            )
        key = self._keys.get_signing_key_from_jwt(token)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=self._algorithms,
            issuer=self._issuer,
            audience=self._audience,
            leeway=_LEEWAY_SECONDS,
            options={"require": list(_NEEDED)},
        )
        return claims

    def _credential(self, claims: dict[str, Any]) -> Credential:
        given = claims.get(self._scope_claim, "")
        scopes = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
        org = claims.get(self._org_claim)
        return Credential(
            f"oidc:{claims['sub']}",
            frozenset(scope for scope in SCOPES if scope in scopes),
            org if isinstance(org, str) and org else None,
        )


def _discovered(issuer: str) -> str:
    """Where the issuer publishes its keys. Raises `OSError` where it does not say."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    # The settings let http and https in, nothing else.
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
        text = response.read()
    try:
        document = json.loads(text)
    except ValueError as error:
        raise OSError("the discovery document is no JSON") from error
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise OSError("the discovery document names another issuer")
    return str(document.get("jwks_uri"))


def _unreachable() -> Problem:
    return Problem(
        status=503,
        kind="issuer-unreachable",
        title="Service unavailable",
        detail="The identity provider does not answer, so this token cannot be checked. Try again in a moment.",
    )
