"""Currency rates in a real store: imported once, replaced by a later file, and listed with their file."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from spendmeter_clickhouse import Store
from spendmeter_clickhouse.fx import FxRate, ImportedRates, import_rates, list_rates
from tests.support.verbs import run_verb

FX = "from spendmeter_deploy.cli.fx import app; app()"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
INR = FxRate(date(2026, 11, 1), "INR", Decimal("88.5"), "ECB")
EUR = FxRate(date(2026, 11, 1), "EUR", Decimal("0.87"), "ECB")


async def test_a_second_import_changes_nothing(store: Store) -> None:
    with store.session("fx") as session:
        assert await import_rates(session, [INR, EUR], now=NOW) == ImportedRates(stored=2, unchanged=0)
        assert await import_rates(session, [INR, EUR], now=NOW) == ImportedRates(stored=0, unchanged=2)
        assert await list_rates(session) == [EUR, INR]
        assert (await session.query("SELECT count() FROM fx_rates")).result_rows == [(2,)]


async def test_a_later_file_corrects_an_earlier_one(store: Store) -> None:
    corrected = FxRate(INR.day, "INR", Decimal("88.25"), "ECB, corrected")
    with store.session("fx") as session:
        await import_rates(session, [INR], now=NOW)
        later = NOW.replace(hour=13)
        assert await import_rates(session, [corrected], now=later) == ImportedRates(stored=1, unchanged=0)
        assert await list_rates(session, currency="INR") == [corrected]


def test_the_command_imports_and_lists(tmp_path: Path) -> None:
    """On the folder of a stopped stack. An invalid file stores nothing."""
    (tmp_path / "data" / "store").mkdir(parents=True)
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text('date,currency,rate,source\n2026-11-01,INR,88.5,"ECB, daily"\n')
    bad.write_text("date,currency,rate,source\n2026-11-02,INR,89,ECB\n2026-11-03,INR,-1,ECB\n")
    here = ("--data-dir", tmp_path / "data")

    refused = run_verb(FX, "import", bad, *here)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "bad.csv: line 3: '-1' is not a rate" in refused.stderr
    assert run_verb(FX, "import", good, *here).stdout == "1 rates stored, 0 unchanged\n"
    assert run_verb(FX, "import", good, *here).stdout == "0 rates stored, 1 unchanged\n"
    assert run_verb(FX, "list", *here).stdout == good.read_text()
