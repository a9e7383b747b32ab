"""Store errors, by what the caller does next.

StoreError
├── StoreUnreachableError   the store did not answer: try again, the work is still to be done or already done
├── StoreLoginError         the store refuses the user or the password: an operator must correct the DSN
└── MigrationError          the schema is not what this version expects: an operator must look
"""

from __future__ import annotations


class StoreError(Exception):
    """ClickHouse rejected a statement or failed. The message is the first line of its error."""


class StoreUnreachableError(StoreError):
    """The store is unreachable, or its response was lost."""


class StoreLoginError(StoreError):
    """The store rejected the user or password of the DSN."""


class MigrationError(StoreError):
    """A migration was edited after it was applied, is missing, or failed."""
