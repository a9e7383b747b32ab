"""The query service: every breakdown of LLM spend, exact and fast, over HTTP."""

from spendmeter_rollups.app import create_app
from spendmeter_rollups.auth import Authenticator, Credential
from spendmeter_rollups.settings import ServiceSettings

__all__ = ["Authenticator", "Credential", "ServiceSettings", "create_app"]
