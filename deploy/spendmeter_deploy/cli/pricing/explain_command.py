"""`spendmeter explain`: the arithmetic of one call's cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from spendmeter_deploy.cli.offline_store import offline_store
from spendmeter_deploy.cli.running import refuse, run
from spendmeter_rollups import ServiceSettings
from spendmeter_rollups.calls.charge_lines import ChargeLine
from spendmeter_rollups.calls.explained_call import CallDetails, ExplainedCall, PricedAt, explain_call
from spendmeter_rollups.catalogue.money import plain
from spendmeter_rollups.problems import Problem
from spendmeter_rollups.query.reader import Reader


def explain_command(
    event_id: Annotated[UUID, typer.Argument(help="Id of the call, or of one of its adjustments.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the explanation as JSON.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Data folder of a stopped embedded stack.")
    ] = None,
) -> None:
    """Explain the cost of one call: units times rates, row, source and date, and each adjustment since."""
    try:
        explained = run(_explain(event_id, data_dir))
    except Problem as problem:
        raise refuse(f"{problem.detail} {event_id}") from None
    if as_json:
        typer.echo(explained.model_dump_json(indent=2, by_alias=True))
        return
    for line in lines_of(explained):
        # Foreign text in one line each: control characters could rewrite the terminal.
        typer.echo("".join(each if each.isprintable() else repr(each)[1:-1] for each in line))


async def _explain(event_id: UUID, data_dir: Path | None) -> ExplainedCall:
    async with offline_store(data_dir, over_http=f"GET /v1/usage/events/{event_id}") as store:
        with store.session("explain") as session:
            return await explain_call(Reader(session, ServiceSettings()), event_id, None)


def lines_of(explained: ExplainedCall) -> Iterator[str]:
    """Yield the lines that the command prints."""
    yield from _call_lines(explained.call)
    estimate = explained.estimate
    yield from _priced_lines(estimate)
    yield f"estimate {plain(estimate.cost)} USD{_agreement(estimate)}"
    for each in explained.adjustments:
        yield f"adjustment {each.number} at {each.at:%Y-%m-%dT%H:%M:%SZ}: {plain(each.difference)} USD"
        yield from _priced_lines(each)
        yield f"cost {plain(each.cost)} USD{_agreement(each)}"
    yield f"current cost {plain(explained.current_cost)} USD"


def _call_lines(call: CallDetails) -> Iterator[str]:
    yield f"call {call.event_id} at {call.occurred_at:%Y-%m-%dT%H:%M:%S.%fZ}"
    org = f"{call.org_id} ({call.org_name})" if call.org_name else call.org_id
    user = f"{call.user_id} ({call.user_name})" if call.user_name else call.user_id
    yield f"org {org}, user {user}, feature {call.feature}, status {call.status}"
    region = f", region {call.region}" if call.region else ""
    reported = "" if call.provider_cost is None else f", cost reported by the provider {plain(call.provider_cost)} USD"
    tier = call.service_tier or "standard"
    yield f"{call.provider} {call.model}, tier {tier}{region}, {call.key_source} key{reported}"


def _priced_lines(priced: PricedAt) -> Iterator[str]:
    units = f" ({', '.join(priced.unpriced_units)})" if priced.unpriced_units else ""
    yield f"price book {priced.price_version}: {priced.pricing_status}{units}"
    if priced.lines is None:
        yield "  the rates are not stored"
        return
    for line in priced.lines:
        yield from _charge_lines(line)


def _charge_lines(line: ChargeLine) -> Iterator[str]:
    counted = f"  {line.unit} {plain(line.counted)}"
    if line.origin is None or line.cost is None:
        yield f"{counted}: no rate"
        return
    billed = "" if line.billed == line.counted else f", billed {plain(line.billed)}"
    replaced = f", replaced by {', '.join(line.replaced_by)}" if line.replaced_by else ""
    yield f"{counted}{billed}{replaced} x {line.rate_usd} USD = {plain(line.cost)} USD"
    origin = line.origin
    marks = [origin.layer, f"{origin.from_ or 'beginning'} to {origin.to or 'now'}"]
    marks += [f"from {origin.min_context} tokens"] if origin.min_context else []
    marks += [f"regions {','.join(origin.regions)}"] if origin.regions else []
    marks += ["negotiated"] if origin.negotiated else []
    marks += [f"window {origin.daily_window}"] if origin.daily_window else []
    marks += [f"alias serves {origin.serves}"] if origin.serves else []
    marks += [f"{origin.listed_usd} USD x {factor}" for factor in origin.factors]
    marks += [] if line.place_certain else ["rate of another place"]
    marks += ["excludes a fee"] if line.excludes_fee else []
    yield f"    {origin.row} ({', '.join(marks)}; {origin.source}, verified {origin.verified_at})"


def _agreement(priced: PricedAt) -> str:
    if priced.exact is None:
        return ""
    return ", the sum of the lines" if priced.exact else "; the lines do not add up to it"
