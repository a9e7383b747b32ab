"""An OpenID Connect issuer on a free local port: discovery, a rotatable key set, and tokens."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

AUDIENCE = "spendmeter"


class Issuer:
    """Serves discovery and keys, and signs with its newest key. `asked` counts requests by path."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}
        self.refused = 0
        """Number of requests during its outage."""
        self.down = False
        self.name: str | None = None
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.rotate("first")

    def rotate(self, kid: str) -> None:
        """Publish and sign only with this key from now on."""
        self.kid = kid
        self._keys = {kid: rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    def claims(self, **more: Any) -> dict[str, Any]:
        """Return the claims of a valid token; None removes a claim."""
        now = int(time.time())
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 300, "scope": "platform:read"}
        return {name: value for name, value in (good | more).items() if value is not None}

    def token(self, *, kid: str | None = None, algorithm: str = "RS256", **claims: Any) -> str:
        """Return a token signed with the newest key."""
        return jwt.encode(
            self.claims(**claims), self._keys[self.kid], algorithm=algorithm, headers={"kid": kid or self.kid}
        )

    def public_pem(self) -> bytes:
        """Return the newest public key, as an attacker can download it."""
        return self._keys[self.kid].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def _answer(self, path: str) -> dict[str, Any] | None:
        self.asked[path] = self.asked.get(path, 0) + 1
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.name or self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/keys":
            keys = [
                {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": kid, "alg": "RS256", "use": "sig"}
                for kid, key in self._keys.items()
            ]
            return {"keys": keys}
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.refused += issuer.down
                answer = None if issuer.down else issuer._answer(self.path)
                body = json.dumps(answer).encode()
                self.send_response(503 if answer is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Suppress logging."""

        return Handler

    @contextmanager
    def running(self) -> Iterator[Issuer]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
