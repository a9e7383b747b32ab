"""`spendmeter prices`: check the price book, compare it with `genai-prices`, and update its seed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spendmeter_deploy.cli.pricing import price_rows
from spendmeter_stream.pricing import PriceBook, PriceBookError, packaged_directory

if TYPE_CHECKING:
    from spendmeter_stream.pricing.seed.seeding import Import

app = typer.Typer(help="Check, compare, seed and change prices.", no_args_is_help=True)
app.command("set")(price_rows.set_)
app.command()(price_rows.unset)
app.command()(price_rows.show)
app.command()(price_rows.history)

Directory = Annotated[Path | None, typer.Option(help="Folder of the price book. Default: the packaged book.")]
Providers = Annotated[
    list[str] | None, typer.Argument(help="Providers, by their names in the book. Default: all that can be seeded.")
]


@app.command()
def check(
    directory: Directory = None,
    stale_days: Annotated[
        int,
        typer.Option(
            "--max-age", "--stale-days", help="Warn of rows not verified for this many days.", min=0, max=36_500
        ),
    ] = 90,
    names: Annotated[bool, typer.Option("--names", help="List each of these rows.")] = False,
) -> None:
    """Compile the price book. Lists each error with file and line; exits with 1 on errors."""
    book = _load(directory)
    models = {(price.terms.provider, pattern) for price in book.prices for pattern in price.patterns}
    providers = {provider for provider, _ in models}
    rates = sum(len(price.rates) for price in book.prices)
    typer.echo(f"book {book.version}: {rates} rates, {len(models)} models, {len(providers)} providers")
    _warn_of_stale_rows(book, stale_days, names=names)
    undated = {
        f"{provider} {name}"
        for provider, name in models
        if name.endswith("-latest") and not book.aliases(provider, name)
    }
    if undated:
        typer.echo(f"{len(undated)} names in -latest without dated periods: {', '.join(sorted(undated))}")


@app.command()
def diff(providers: Providers = None, directory: Directory = None) -> None:
    """Show the changes `import` would make: `+` new, `~` changed, `-` withdrawn. Exits with 1 on changes."""
    planned = [plan for plan in _plan(providers, directory, _today()) if plan.lines]
    for plan in planned:
        typer.echo(f"{plan.provider} ({plan.file.name})")
        for line in plan.lines:
            typer.echo(f"  {line}")
    if planned:
        raise typer.Exit(1)
    typer.echo("the seed is up to date with genai-prices")


@app.command("import")
def import_(
    providers: Providers = None,
    directory: Directory = None,
    effective: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Effective date of undated price changes. Default: today."),
    ] = None,
) -> None:
    """Update the seed files from the installed `genai-prices`. Past prices never change."""
    today = _today()
    for plan in _plan(providers, directory, effective.date() if effective else today):
        plan.file.parent.mkdir(parents=True, exist_ok=True)
        plan.file.write_text(plan.text, encoding="utf-8")
        typer.echo(f"{plan.provider}: {len(plan.lines)} changes")
        for model, reason in plan.skipped.items():
            typer.echo(f"  skipped {model}: {reason}")


def _warn_of_stale_rows(book: PriceBook, max_age: int, *, names: bool) -> None:
    oldest_fresh = (_today() - timedelta(days=max_age)).isoformat()
    stale = sorted(
        ((block.terms, block.patterns) for block in book.blocks if block.terms.verified_at < oldest_fresh),
        key=lambda each: (each[0].verified_at, each[0].place.file, each[0].place.line),
    )
    if not stale:
        return
    for provider, count in sorted(Counter(terms.provider for terms, _ in stale).items()):
        typer.echo(f"{provider}: {count} {'row' if count == 1 else 'rows'} not verified for more than {max_age} days")
    for terms, models in stale if names else ():
        typer.echo(f"  {terms.place}: {', '.join(models)}: verified {terms.verified_at}, {terms.source}")
    oldest = stale[0][0]
    hint = "" if names else "; --names lists them"
    typer.echo(
        f"warning: {len(stale)} of {len(book.blocks)} rows not verified for more than {max_age} days, "
        f"the oldest since {oldest.verified_at} ({oldest.place}){hint}"
    )


def _load(directory: Path | None) -> PriceBook:
    try:
        return PriceBook.load(directory)
    except PriceBookError as error:
        for fault in error.faults:
            typer.echo(str(fault), err=True)
        typer.echo(f"{len(error.faults)} errors", err=True)
        raise typer.Exit(1) from None


def _plan(providers: list[str] | None, directory: Path | None, effective: date) -> list[Import]:
    if find_spec("genai_prices") is None:
        typer.echo("spendmeter: genai-prices is not installed; run pip install 'spendmeter[prices]'", err=True)
        raise typer.Exit(2)
    from spendmeter_stream.pricing.seed.genai import SEEDED, data_date
    from spendmeter_stream.pricing.seed.seeding import plan_import

    known = sorted(SEEDED.values())
    for provider in providers or ():
        if provider not in known:
            raise typer.BadParameter(f"cannot seed {provider!r}; choose from: {', '.join(known)}")
    folder, checked = directory or packaged_directory(), data_date(_today())
    return [plan_import(folder, name, effective=effective, checked=checked) for name in providers or known]


def _today() -> date:
    return datetime.now(UTC).date()
