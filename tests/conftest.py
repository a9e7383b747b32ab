"""Fixtures that any test may ask for by name."""

from tests.support.store import _engine, store, store_folder

__all__ = ["_engine", "store", "store_folder"]
