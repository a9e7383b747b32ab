"""`spendmeter prices set|unset|show|history`: change prices on the topic, and show the rates in force and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from spendmeter_deploy.cli.brokers import any_broker, broker_errors
from spendmeter_deploy.cli.pricing.row_files import read_row
from spendmeter_deploy.cli.running import refuse, run
from spendmeter_deploy.cli.terminal.option_values import parse_time
from spendmeter_stream.price_feed import publish_price_rows, read_price_rows
from spendmeter_stream.pricing import PriceBook, PriceBookError, PriceBookWatcher
from spendmeter_stream.pricing.book.index import CallKind
from spendmeter_stream.pricing.book.rows import BEGINNING, FOREVER, ROWS_LAYER, PriceRow, Terms
from spendmeter_stream.pricing.explain import Explanation, explain
from spendmeter_stream.pricing.row_key import key_of
from spendmeter_stream.pricing.watch import Row
from spendmeter_stream.settings import StreamSettings

Provider = Annotated[str, typer.Argument(help="Provider, in any spelling.")]
Model = Annotated[str, typer.Argument(help="Model, as in events.")]
Bootstrap = Annotated[
    str | None, typer.Option(help="Kafka brokers, HOST:PORT. Default: SPENDMETER_BOOTSTRAP, else the running stack.")
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Data folder of a running embedded stack.")]
FilesOnly = Annotated[bool, typer.Option("--files-only", help="Ignore the price rows in Kafka.")]


def set_(
    file: Annotated[
        Path, typer.Argument(help="Row as a TOML or JSON object; see docs/pricing.md.", exists=True, dir_okay=False)
    ],
    key: Annotated[str, typer.Option(help="Record key; a row replaces the earlier one of its key.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the row without sending it.")] = False,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Check a price row against the book in force, and send it to the workers. Exits with 1 on errors."""
    row = read_row(file)
    run(_send(key or key_of(row), row, dry_run=dry_run, settings=any_broker(data_dir, bootstrap)))


def unset(
    key: Annotated[str, typer.Argument(help="Key of the row; `prices history` lists the keys.")],
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Remove a row of the price topic. The files' prices apply again, to new events."""
    run(_send(key, None, dry_run=False, settings=any_broker(data_dir, bootstrap)))


def show(
    provider: Provider,
    model: Model,
    at: Annotated[str, typer.Option(help="Time of the call, UTC without an offset. Default: now.")] = "",
    tier: Annotated[str, typer.Option(help="Service tier as served.")] = "standard",
    region: Annotated[str, typer.Option(help="Region or deployment type.")] = "",
    org: Annotated[str, typer.Option(help="Org, for its negotiated rates.")] = "",
    prompt: Annotated[int, typer.Option(help="Prompt length in tokens, for long-prompt rates.", min=0)] = 0,
    files_only: FilesOnly = False,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """Show the rate of each unit in force at a time, and why: row, layer, alias, region, tier, source, date."""
    book = run(_book(None if files_only else any_broker(data_dir, bootstrap)))
    when = parse_time(at, option="--at") if at else datetime.now(UTC)
    kind = CallKind(provider, model, tier, region, org)
    explanation = explain(book, kind, at_ms=round(when.timestamp() * 1000), prompt=prompt)
    for line in lines_of(explanation, kind, when):
        _say(line)
    if not explanation.rates:
        raise typer.Exit(1)


def history(
    provider: Provider,
    model: Model,
    files_only: FilesOnly = False,
    bootstrap: Bootstrap = None,
    data_dir: DataDir = None,
) -> None:
    """List the dated rows and alias periods of a model, its rows of the topic by key, and every rejected row."""
    settings = None if files_only else any_broker(data_dir, bootstrap)
    rows = run(_rows(settings)) if settings else {}
    watcher = _watched(rows, settings)
    book = watcher.book
    aliases = book.aliases(provider, model)
    for alias in aliases:
        _say(f"{_span(alias.terms)}  serves {alias.serves}  {alias.terms.source}")
    candidates = [
        book.candidates(CallKind(provider, model, tier, region, org)) for tier, region, org in sorted(book.scopes)
    ]
    found = {row for each in candidates if each for row in each.rows}
    for row in sorted(found, key=lambda row: (row.price.terms.starts, row.rate.unit, row.price.min_context)):
        _say(f"{_span(row.price.terms)}  {_rate(row, row.rate.unit)}  {_why(row)}")
    terms = {alias.terms for alias in aliases} | {row.price.terms for row in found}
    terms |= {factor.terms for each in candidates if each for factor in each.multipliers}
    for key in sorted({each.place.file for each in terms if each.layer == ROWS_LAYER}):
        _say(f"topic {key}: {json.dumps(rows[key])}")
    for key, fault in watcher.rejected.items():
        _say(f"topic {key}: not in force: {' '.join(str(fault).split())}")
    if not found:
        typer.echo(f"no price for {provider} {model}", err=True)
        raise typer.Exit(1)


def lines_of(explanation: Explanation, kind: CallKind, when: datetime) -> list[str]:
    """Return the lines that `show` prints."""
    if explanation.provider is None:
        return [f"unknown provider {kind.provider!r}: calls are unpriced"]
    lines = [f"{explanation.provider} {kind.model} at {when:%Y-%m-%dT%H:%M:%SZ}, tier {kind.tier}"]
    if alias := explanation.alias:
        lines.append(f"alias: serves {alias.serves} ({_span(alias.terms)}; {alias.terms.source})")
    for rate in explanation.rates:
        factor = f" x {_decimal(rate.factor)}" if rate.factor != 1 else ""
        uncertain = "" if rate.certain else "; the place has no price: calls are partial with the unit region"
        text = "" if rate.unit == rate.row.rate.unit else f", as {rate.row.rate.unit}"
        lines.append(f"  {_rate(rate.row, rate.unit)}{factor}{text}  {rate.layer} {_why(rate.row)}{uncertain}")
    return lines if explanation.rates else [*lines, "  no price in force: calls are unpriced"]


def _say(line: str) -> None:
    """Print foreign text in one line. Control characters are escaped: they could rewrite the terminal."""
    typer.echo("".join(each if each.isprintable() else repr(each)[1:-1] for each in line))


async def _send(key: str, row: Mapping[str, Any] | None, *, dry_run: bool, settings: StreamSettings) -> None:
    _check_key(key)
    async with broker_errors(settings):
        rows = await read_price_rows(settings.client_options())
        if row is None and rows.get(key) is None:
            raise refuse(f"no row with the key {key!r} on the topic; `spendmeter prices history` lists the keys")
        book, faults = _watched(rows, settings).with_record(key, row)
        for fault in faults.values():
            refuse(str(fault))
            raise typer.Exit(1)
        if not dry_run:
            await publish_price_rows(settings.client_options(), {key: row})
    done = "is valid" if dry_run else "removed" if row is None else "sent"
    _say(f"row {key} {done}; book {book.version}")
    if row is not None and (earlier := rows.get(key)) is not None:
        _say(_replacement(earlier, row, dry_run=dry_run))


def _check_key(key: str) -> None:
    try:
        key.encode()
    except UnicodeEncodeError:
        raise refuse(f"the key {key!r} is not valid UTF-8; choose another with --key") from None


def _replacement(earlier: Row, row: Row | None, *, dry_run: bool) -> str:
    if earlier == row:
        return "the topic already had this row"
    return f"{'would replace' if dry_run else 'replaced'} the earlier row of its key: {json.dumps(earlier)}"


def _watched(rows: Mapping[str, Row | None], settings: StreamSettings | None) -> PriceBookWatcher:
    """Return the book in force in workers, without the rows that they reject."""
    try:
        watcher = PriceBookWatcher(directory=(settings or StreamSettings()).prices_path)
    except PriceBookError as error:
        raise refuse(str(error)) from None
    watcher.put_all(rows)
    return watcher


async def _rows(settings: StreamSettings) -> Mapping[str, Row | None]:
    async with broker_errors(settings):
        return await read_price_rows(settings.client_options())


async def _book(settings: StreamSettings | None) -> PriceBook:
    return _watched(await _rows(settings) if settings else {}, settings).book


def _rate(row: PriceRow, unit: str) -> str:
    """Return a unit's rate. The unit is not the row's if the model bills it as text."""
    hour = row.rate.unit == "audio_seconds"
    usd = row.rate.pico * (3_600_000 if hour else 1_000_000) / 10**12
    return f"{unit} {_decimal(usd)} USD per {'hour' if hour else 'million'}"


def _decimal(value: Fraction) -> str:
    """Return every digit of `value`, without an exponent; 28 digits of a value without an end."""
    text = f"{Decimal(value.numerator) / Decimal(value.denominator):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _why(row: PriceRow) -> str:
    price, terms = row.price, row.price.terms
    marks = [f"org {terms.org}" if terms.org else "", f"regions {','.join(terms.regions)}" if terms.regions else ""]
    marks += [f"tier {','.join(terms.tiers)}" if not price.free else "free"]
    marks += [f"from {price.min_context} tokens" if price.min_context else "", "daily window" if price.window else ""]
    marks += [" ".join(f"{tag}={value}" for tag, value in row.rate.when)]
    return f"{terms.place} ({', '.join(filter(None, marks))}; {terms.source}, verified {terms.verified_at})"


def _span(terms: Terms) -> str:
    start = "beginning" if terms.starts == BEGINNING else _day(terms.starts)
    return f"{start} to {'now' if terms.ends == FOREVER else _day(terms.ends)}"


def _day(time_ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}"
    except (ValueError, OverflowError, OSError):
        # An offset can move a time out of the years that datetime has.
        return "beyond the calendar"
