"""Scopes of credentials: stored with API keys, checked by the query service."""

from __future__ import annotations

from typing import Final

PLATFORM_READ: Final = "platform:read"
"""Read all orgs."""
PLATFORM_WRITE: Final = "platform:write"
"""Write budgets, exchange rates and API keys."""
ORG_READ: Final = "org:read"
"""Read only the credential's own org."""
EVENTS_WRITE: Final = "events:write"
"""Send usage events: of the credential's own org, or of all orgs if it has none."""
SCOPES: Final = (PLATFORM_READ, PLATFORM_WRITE, ORG_READ, EVENTS_WRITE)
