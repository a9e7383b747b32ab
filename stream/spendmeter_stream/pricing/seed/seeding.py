"""Write seed files from `genai-prices`. The next import continues a file and never rewrites past prices.

A changed price ends on the day on which the new one begins, so an import never changes a past figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from spendmeter_stream.pricing.book.documents import SEED_FOLDER, parse_document
from spendmeter_stream.pricing.book.rates import TOOLS
from spendmeter_stream.pricing.book.units import DENOMINATORS
from spendmeter_stream.pricing.seed.genai import Dated, PriceSeries, Rates, read_seed

Prices = dict[PriceSeries, list[Dated]]

_TABLES: Final = (*DENOMINATORS, TOOLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """Planned import of one provider: the file's text and the changes in it."""

    provider: str
    file: Path
    text: str
    lines: tuple[str, ...]
    skipped: Mapping[str, str]


def plan_import(directory: Path, provider: str, *, effective: date, checked: date) -> Import:
    """Return the seed file of one provider, continued from the one in `directory`. Writes nothing."""
    seed = read_seed(provider)
    file = directory / SEED_FOLDER / f"{provider}.toml"
    old = read_seed_file(file.read_text("utf-8")) if file.exists() else {}
    change = continued(old, seed.prices, effective)
    package = f"genai-prices {version('genai-prices')}"
    return Import(
        provider=provider,
        file=file,
        text=seed_file(provider, change.prices, package=package, checked=checked),
        lines=tuple(change.lines),
        skipped=seed.skipped,
    )


@dataclass(slots=True)
class Change:
    """Changes of an import to one provider's seed."""

    prices: Prices = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    """One line per change for reviewers: `+` new, `~` changed, `-` no longer sold."""


def continued(old: Prices, new: Prices, effective: date) -> Change:
    """Continue the old seed with the package's current prices.

    A price change without a date in the package starts at `effective`, midnight UTC.
    """
    change = Change()
    known = {name for series in new for name in series.models}
    unmatched = dict(old)
    for series, dated in new.items():
        before = _same_series(series, unmatched)
        if before is None:
            change.prices[series] = dated
            change.lines.append(f"+ {_title(series)}: {_money(dated[-1].rates)}")
            continue
        models = tuple(dict.fromkeys((*before.models, *series.models)))
        change.prices[replace(series, models=models)] = _confirmed(
            _continue(series, unmatched.pop(before), dated, effective, change.lines), dated
        )
    for series, dated in unmatched.items():
        change.prices[series] = dated
        if dated[-1].ends is None and not known.isdisjoint(series.models):
            change.lines.append(f"- {_title(series)}: {_money(dated[-1].rates)} until {effective}")
            change.prices[series] = [*dated[:-1], replace(dated[-1], ends=effective)]
    return change


def _confirmed(prices: list[Dated], now: list[Dated]) -> list[Dated]:
    """Attribute prices that the package still has to it; others keep their older source."""
    rates = [dated.rates for dated in now]
    return [replace(each, source="", verified_at=None) if each.rates in rates else each for each in prices]


def _same_series(series: PriceSeries, old: Iterable[PriceSeries]) -> PriceSeries | None:
    """Return the old series that shares a model; names may have been added since."""
    for other in old:
        shares = not set(series.models).isdisjoint(other.models)
        if shares and replace(other, models=series.models) == series:
            return other
    return None


def _continue(
    series: PriceSeries, old: list[Dated], new: list[Dated], effective: date, lines: list[str]
) -> list[Dated]:
    last, now = old[-1], new[-1]
    if last.rates == now.rates and last.ends == now.ends:
        return old
    if last.ends is None and now.ends is not None and last.rates == now.rates:
        lines.append(f"- {_title(series)}: {_money(last.rates)} until {now.ends}")
        return [*old[:-1], replace(last, ends=now.ends)]
    dated = now.starts is not None and now.starts > (last.starts or date.min)
    starts = now.starts if dated else effective
    lines.append(f"~ {_title(series)}: {_money(last.rates)} -> {_money(now.rates)} from {starts}")
    return [*old[:-1], replace(last, ends=last.ends or starts), replace(now, starts=starts)]


def _title(series: PriceSeries) -> str:
    marks = [series.models[0], series.tier if series.tier != "standard" else "", series.region]
    marks += [f"over {series.context_over}" if series.context_over else ""]
    marks += [f"{series.window[0]:%H:%M}-{series.window[1]:%H:%M}" if series.window else ""]
    return " ".join(mark for mark in marks if mark)


def _money(rates: Rates) -> str:
    return ", ".join(f"{unit} {rate:f}" for _, unit, rate in rates) or "free"


def read_seed_file(text: str) -> Prices:
    """Return the prices of a seed file written by an earlier import."""
    prices: Prices = {}
    for block in parse_document(text, "seed", 0).prices:
        data = block.data
        daily = data.get("daily")
        series = PriceSeries(
            models=tuple(data["models"]),
            tier=data["tiers"][0] if "tiers" in data else "standard",
            region=data["regions"][0] if "regions" in data else "",
            context_over=data.get("context_over", 0),
            window=(daily["from"], daily["to"]) if daily else None,
        )
        dated = Dated(
            starts=_day(data["from"]),
            ends=_day(data.get("to")),
            rates=_rates(data),
            source=data["source"],
            verified_at=data["verified_at"],
        )
        prices.setdefault(series, []).append(dated)
    return prices


def _day(value: Any) -> date | None:
    return value.astimezone(UTC).date() if isinstance(value, datetime) else None


def _rates(data: Mapping[str, Any]) -> Rates:
    found = [(table, unit, Decimal(rate)) for table in _TABLES for unit, rate in data.get(table, {}).items()]
    return tuple(sorted(found))


def seed_file(provider: str, prices: Prices, *, package: str, checked: date) -> str:
    """Return the text of a seed file. `checked` is the day of the package's data and every row's `verified_at`."""
    head = (
        f"# Written by `spendmeter prices import` from {package}. Not for editing: rows beside this folder,\n"
        f'# in ../{provider}.toml, replace these. Prices with from = "beginning" have no known start.\n'
        f'provider = "{provider}"\n\n'
        f'[defaults]\nfrom = "beginning"\nsource = "{package}"\nverified_at = {checked}\n'
    )
    blocks = [_block(series, dated) for series, many in prices.items() for dated in many]
    return "\n".join([head, *blocks])


def _block(series: PriceSeries, dated: Dated) -> str:
    lines = ["[[price]]", f"models = {_list(series.models)}"]
    if series.tier != "standard":
        lines.append(f'tiers = ["{series.tier}"]')
    if series.region:
        lines.append(f'regions = ["{series.region}"]')
    if dated.starts:
        lines.append(f"from = {dated.starts}T00:00:00Z")
    if dated.ends:
        lines.append(f"to = {dated.ends}T00:00:00Z")
    if series.context_over:
        lines.append(f"context_over = {series.context_over}")
    if series.window:
        lines.append(f"daily = {{ from = {series.window[0]:%H:%M}:00, to = {series.window[1]:%H:%M}:00 }}")
    lines += list(_rate_lines(dated.rates))
    if dated.source:
        lines += [f'source = "{dated.source}"', f"verified_at = {dated.verified_at}"]
    return "\n".join([*lines, ""])


def _rate_lines(rates: Rates) -> Iterator[str]:
    if not rates:
        yield "free = true"
    for table in _TABLES:
        pairs = ", ".join(f"{unit} = {rate:f}" for name, unit, rate in rates if name == table)
        if pairs:
            yield f"{table} = {{ {pairs} }}"


def _list(names: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
