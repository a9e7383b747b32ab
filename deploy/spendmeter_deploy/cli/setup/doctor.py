"""`spendmeter doctor`: the settings in force, and whether Kafka, store, schema, topics and clock are usable."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from spendmeter_deploy.cli.running import run
from spendmeter_deploy.cli.setup.diagnosis import (
    Diagnosis,
    check_kafka,
    check_settings,
    check_store,
    defaults,
    settings_in_force,
)


def doctor_command(
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Data folder of an embedded stack, running or stopped.")
    ] = None,
    all_settings: Annotated[bool, typer.Option("--all", help="Show the settings with default values, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print settings and findings as JSON.")] = False,
) -> None:
    """Show the settings in force, and check Kafka, topics, store, schema and clock. Exits with 1 if a check fails."""
    # Its errors repeat the findings.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    found = check_settings()
    if found[0].ok:
        found += run(_check(data_dir))
    shown = {name: (value, source) for name, value, source in settings_in_force()}
    if all_settings:
        shown = {name: shown.get(name, (value, "default")) for name, value in defaults().items()}
    if as_json:
        settings = [{"name": name, "value": value, "source": source} for name, (value, source) in shown.items()]
        typer.echo(json.dumps({"settings": settings, "checks": [each._asdict() for each in found]}, indent=2))
    else:
        for name, (value, source) in shown.items():
            typer.echo(f"{name}={value}  ({source})")
        if not shown:
            typer.echo("all settings have their defaults; --all shows them")
        for each in found:
            typer.echo(f"{'ok  ' if each.ok else 'FAIL'}  {each.check:8}  {' '.join(each.text.split())}")
    if not all(each.ok for each in found):
        raise typer.Exit(1)


async def _check(data_dir: Path | None) -> list[Diagnosis]:
    return [*await check_kafka(data_dir), *await check_store(data_dir)]
