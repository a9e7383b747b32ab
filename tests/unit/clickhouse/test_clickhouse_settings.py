"""One DSN selects either store; an invalid one is rejected with the allowed forms."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from spendmeter_clickhouse import StoreSettings


@pytest.mark.parametrize(
    ("dsn", "embedded", "path", "database"),
    [
        ("chdb:///var/lib/spendmeter", True, "/var/lib/spendmeter", "spendmeter"),
        ("chdb:///.spendmeter/store", True, ".spendmeter/store", "spendmeter"),
        ("chdb:///a%20b?database=other", True, "/a b", "other"),
        ("https://user:secret@host:8443/usage", False, "/usage", "usage"),
        ("http://host:8123", False, "", "spendmeter"),
    ],
)
def test_reads_a_dsn(dsn: str, embedded: bool, path: str, database: str) -> None:
    settings = StoreSettings(store_dsn=dsn)
    assert (settings.embedded, settings.path, settings.database) == (embedded, path, database)


@pytest.mark.parametrize("dsn", ["postgres://host/db", "host:8123", "http://host/a-b", "http://host/a;b"])
def test_refuses_a_wrong_dsn(dsn: str) -> None:
    with pytest.raises(ValidationError, match=r"must (be|start) "):
        StoreSettings(store_dsn=dsn)


def test_does_not_show_the_password() -> None:
    assert "secret" not in repr(StoreSettings(store_dsn="https://user:secret@host/db"))
