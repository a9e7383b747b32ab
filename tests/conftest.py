"""Fixtures that any test may ask for by name."""

from tests.support.brokers import broker, fresh_tansu, kafka, tansu
from tests.support.store import _engine, store, store_folder

__all__ = ["_engine", "broker", "fresh_tansu", "kafka", "store", "store_folder", "tansu"]
