"""What can go wrong with the store, by what the caller does next.

StoreError
├── StoreUnreachableError   the store did not answer: try again, the work is still to be done or already done
├── StoreLoginError         the store refuses the user or the password: an operator must correct the DSN
└── MigrationError          the schema is not what this version expects: an operator must look
"""

from __future__ import annotations


class StoreError(Exception):
    """The store refused or failed a statement. The message is ClickHouse's own first line."""


class StoreUnreachableError(StoreError):
    """The store could not be reached, or the answer got lost on its way."""


class StoreLoginError(StoreError):
    """The store does not accept the user and password of the DSN."""


class MigrationError(StoreError):
    """A migration was edited after it was applied, is missing, or failed half-way."""
