"""What a credential may do: stored with API keys, asked for by the query service."""

from __future__ import annotations

from typing import Final

PLATFORM_READ: Final = "platform:read"
"""Every org."""
PLATFORM_WRITE: Final = "platform:write"
"""Define budgets and currency rates."""
ORG_READ: Final = "org:read"
"""One org: the credential's own, whatever is asked."""
SCOPES: Final = (PLATFORM_READ, PLATFORM_WRITE, ORG_READ)
