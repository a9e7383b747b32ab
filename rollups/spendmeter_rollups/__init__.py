"""The query service: exact breakdowns of LLM usage and spend over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spendmeter_rollups.settings import ServiceSettings

if TYPE_CHECKING:
    from spendmeter_rollups.access.auth import Authenticator, Credential
    from spendmeter_rollups.access.sessions import SignInLinks
    from spendmeter_rollups.app import create_app

__all__ = ["Authenticator", "Credential", "ServiceSettings", "SignInLinks", "create_app"]


def __getattr__(name: str) -> Any:
    # Every command imports the settings; only two commands need the web framework, which is slow to import.
    if name == "create_app":
        from spendmeter_rollups.app import create_app

        return create_app
    if name == "SignInLinks":
        from spendmeter_rollups.access.sessions import SignInLinks

        return SignInLinks
    if name in ("Authenticator", "Credential"):
        from spendmeter_rollups.access import auth

        return getattr(auth, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
