"""The query service: every breakdown of LLM spend, exact and fast, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spendmeter_rollups.settings import ServiceSettings

if TYPE_CHECKING:
    from spendmeter_rollups.access.auth import Authenticator, Credential
    from spendmeter_rollups.app import create_app

__all__ = ["Authenticator", "Credential", "ServiceSettings", "create_app"]


def __getattr__(name: str) -> Any:
    # Every command reads the settings at its start; only two of them need the web framework, which loads slowly.
    if name == "create_app":
        from spendmeter_rollups.app import create_app

        return create_app
    if name in ("Authenticator", "Credential"):
        from spendmeter_rollups.access import auth

        return getattr(auth, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
