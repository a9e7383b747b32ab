"""`spendmeter fx`: dated exchange rates for showing amounts in other currencies."""

from __future__ import annotations

import csv
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from spendmeter_clickhouse.fx import FxFileError, FxRate, ImportedRates, import_rates, list_rates, read_rates
from spendmeter_deploy.cli.offline_store import offline_store
from spendmeter_deploy.cli.running import run
from spendmeter_deploy.cli.terminal.console import AsJson, print_json
from spendmeter_rollups.catalogue.money import plain

app = typer.Typer(help="Import and list exchange rates.", no_args_is_help=True)

_COLUMNS: Final = ("date", "currency", "rate", "source")

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Data folder of a stopped embedded stack.")]


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="CSV file with the columns date,currency,rate,source.", exists=True, dir_okay=False)
    ],
    data_dir: DataDir = None,
) -> None:
    """Import the rates of a file; one invalid line rejects the whole file. Importing it again changes nothing."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rates = read_rates(lines)
    except (FxFileError, UnicodeDecodeError) as error:
        for fault in error.faults if isinstance(error, FxFileError) else (f"not UTF-8: {error}",):
            typer.echo(f"{file}: {fault}", err=True)
        raise typer.Exit(1) from None
    done = run(_import(rates, data_dir))
    typer.echo(f"{done.stored} rates stored, {done.unchanged} unchanged")


@app.command("list")
def list_(
    currency: Annotated[str, typer.Option(help="Only this currency, for example INR.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print the stored rates in the CSV format of `import`."""
    rows = [(rate.day, rate.currency, plain(rate.per_usd), rate.source) for rate in run(_list(currency, data_dir))]
    if as_json:
        print_json(dict(zip(_COLUMNS, row, strict=True)) for row in rows)
        return
    csv.writer(sys.stdout, lineterminator="\n").writerows([_COLUMNS, *rows])


async def _import(rates: list[FxRate], data_dir: Path | None) -> ImportedRates:
    async with offline_store(data_dir, over_http="PUT /v1/fx-rates") as store:
        with store.session("fx") as session:
            return await import_rates(session, rates, now=datetime.now(UTC))


async def _list(currency: str, data_dir: Path | None) -> list[FxRate]:
    async with offline_store(data_dir, over_http="GET /v1/fx-rates") as store:
        with store.session("fx") as session:
            return await list_rates(session, currency=currency)
