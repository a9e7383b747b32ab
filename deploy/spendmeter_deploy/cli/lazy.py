"""Subcommands that are imported when they run, so that `spendmeter --help` takes 0.2 s of CPU instead of 2."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from spendmeter_deploy.cli.terminal.usage_errors import OneLineErrors

COMMANDS: Final = {
    "import": ("importing.command:import_command", "Import past calls from files."),
    "replay": ("importing.command:import_command", "Former name of import."),
    "reprice": (
        "reprice:reprice_command",
        "Reprice stored calls with the current price book by appending adjustments.",
    ),
    "verify": ("verify:verify_command", "Compare every rollup with the raw events."),
    "dlq": ("dlq:app", "Inspect and redrive dead letters."),
    "apikey": ("apikey:app", "Create, list and revoke API keys of the query service."),
    "doctor": (
        "setup.doctor:doctor_command",
        "Show the settings in force, and check Kafka, topics, store, schema and clock.",
    ),
    "files": ("setup.files:app", "List and export boards, alert rules and manifests."),
    "explain": (
        "pricing.explain_command:explain_command",
        "Explain the cost of one call: units times rates, row, source and date, and each adjustment since.",
    ),
    "fx": ("fx:app", "Import and list exchange rates."),
    "prices": ("prices:app", "Check, compare, seed and change prices."),
    "rollups": ("rollups:app", "Rebuild rollups from raw events."),
}
"""Name → module of this package and attribute, first sentence of the help text."""
HIDDEN: Final = frozenset({"replay"})
PLAIN: Final = None
"""Format of help texts. With Typer's default, Rich and a Markdown parser take 0.3 s of CPU."""
_WHOLE: Final = 1000
"""More characters than the first sentence of a command."""


class CommandList(TyperGroup):
    """A group whose help lists the whole first sentence of each command. Typer's plain format cuts it off."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of visible commands."""
        visible = {name: command for name, command in self.commands.items() if not command.hidden}
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(_WHOLE)) for name, command in visible.items()])


class LazyCommand(TyperCommand):
    """A placeholder in the list of commands, which imports its subcommand when it is invoked."""

    def load(self) -> Any:
        """Import the command: a function, or a `typer.Typer` with subcommands."""
        name = str(self.name)
        module, _, attribute = COMMANDS[name][0].partition(":")
        found = getattr(import_module(f"spendmeter_deploy.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            found.rich_markup_mode = PLAIN
            found.info.cls = CommandList
            group = typer.main.get_group(found)
            group.name = name
            return group
        single = typer.Typer(add_completion=False, rich_markup_mode=PLAIN)
        single.command(name)(found)
        return typer.main.get_command(single)

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        """Return a context of the imported command."""
        return self.load().make_context(*arguments, **extra)


class LazyGroup(CommandList, OneLineErrors):
    """The commands of `app`, and those of `COMMANDS`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, text) in COMMANDS.items():
            self.commands[name] = LazyCommand(name, help=text, hidden=name in HIDDEN)
