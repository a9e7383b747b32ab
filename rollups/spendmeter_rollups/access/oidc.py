"""Authenticate tokens of an OpenID Connect issuer: valid signature, our audience, not expired.

Signature algorithms are pinned in the settings and all asymmetric: neither `none` nor a public key used as a shared
secret is accepted (RFC 8725, 3.1 and 3.2). `issuer_keys` fetches the keys, and protects the issuer from lookups for
forged tokens.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import jwt
from jwt.exceptions import PyJWTError

from spendmeter_clickhouse.scopes import SCOPES
from spendmeter_rollups.access.auth import Credential
from spendmeter_rollups.access.issuer_keys import IssuerKeys, IssuerUnreachableError
from spendmeter_rollups.problems import Problem

log = logging.getLogger(__name__)

MOST_CHARACTERS: Final = 8192
"""Longer tokens are rejected before parsing."""
_LONGEST_NAME: Final = 256
"""Of a subject or an org: both appear in logs, in the audit log and in queries."""
_LEEWAY_SECONDS: Final = 30
_REQUIRED_CLAIMS: Final = ("exp", "iat", "iss", "aud", "sub")
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
        self._keys = IssuerKeys(issuer, cooldown_seconds=cooldown_seconds)

    async def authenticate(self, token: str) -> Credential | None:
        """Return the credential of a valid token, else None. Raises `Problem` (503) without the issuer's keys."""
        if token.count(".") != _JWT_DOTS or len(token) > MOST_CHARACTERS:
            return None
        try:
            claims = await self._verified(token)
        except IssuerUnreachableError as error:
            raise _unreachable(error.seconds) from error
        except (PyJWTError, ValueError, RecursionError) as error:
            # Log the reason only: tokens and claims must not appear in logs.
            log.info("token rejected: %s", type(error).__name__)
            return None
        return self._credential(claims)

    def close(self) -> None:
        """Stop fetching keys."""
        self._keys.close()

    async def _verified(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        if header.get("alg") not in self._algorithms or not isinstance(kid, str):
            raise jwt.InvalidAlgorithmError
        self._check_claims(token)
        key = await self._keys.find(kid)
        if key is None:
            raise jwt.InvalidKeyError
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=self._algorithms,
            issuer=self._issuer,
            audience=self._audience,
            leeway=_LEEWAY_SECONDS,
            options={"require": list(_REQUIRED_CLAIMS)},
        )
        if not 0 < len(claims["sub"]) <= _LONGEST_NAME:
            raise jwt.InvalidTokenError
        return claims

    def _check_claims(self, token: str) -> None:
        """Check the claims before the key lookup. Raises `PyJWTError` for claims that no signature makes valid."""
        jwt.decode(
            token,
            algorithms=self._algorithms,
            issuer=self._issuer,
            audience=self._audience,
            leeway=_LEEWAY_SECONDS,
            options={
                "verify_signature": False,
                "verify_exp": True,
                "verify_nbf": True,
                "verify_aud": True,
                "verify_iss": True,
                "require": list(_REQUIRED_CLAIMS),
            },
        )

    def _credential(self, claims: dict[str, Any]) -> Credential:
        claim = claims.get(self._scope_claim, "")
        scopes = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
        org = claims.get(self._org_claim)
        return Credential(
            f"oidc:{claims['sub']}",
            frozenset(scope for scope in SCOPES if scope in scopes),
            org if isinstance(org, str) and 0 < len(org) <= _LONGEST_NAME else None,
        )


def _unreachable(seconds: int) -> Problem:
    return Problem(
        status=503,
        kind="issuer-unreachable",
        title="Service unavailable",
        detail="The identity provider is unreachable, so this token cannot be verified. Retry later.",
        headers={"Retry-After": str(seconds)},
    )
