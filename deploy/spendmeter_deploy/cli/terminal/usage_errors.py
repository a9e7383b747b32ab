"""Usage errors of the command in one line: an unknown option, an invalid value, an empty value."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException


class OneLineErrors(TyperGroup):
    """The root command. Prints each usage error in one line, like every other error, and exits with code 2."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command, as `TyperGroup.main` does."""
        arguments = sys.argv[1:] if args is None else list(args)
        inner = partial(super().main, arguments, prog_name, complete_var, False, windows_expand_args, **extra)
        if not standalone_mode:
            return inner()
        try:
            _refuse_empty_values(arguments)
            code = inner()
        except TyperException as error:
            typer.echo(_described(error), err=True)
            sys.exit(2)
        except typer.Abort:
            typer.echo("spendmeter: aborted", err=True)
            sys.exit(1)
        except UnicodeEncodeError as error:
            if error.encoding != "utf-8":
                raise
            # A byte of an argument or a variable that is not UTF-8. The text is not shown: it may be a secret.
            typer.echo("spendmeter: an argument, setting or file has text that is not valid UTF-8", err=True)
            sys.exit(2)
        except OSError as error:
            # Such as a full disk behind a redirected output.
            typer.echo(f"spendmeter: {error}", err=True)
            sys.exit(2)
        sys.exit(code if isinstance(code, int) else 0)


def _refuse_empty_values(arguments: Sequence[str]) -> None:
    """Raise `BadParameter` for `--option ""`: an empty folder would be the working folder, an empty host any address.

    Empty values usually come from an unset variable of a script.
    """
    for before, text in zip(["", *arguments], arguments, strict=False):
        inline = text.startswith("--") and text.endswith("=") and text.count("=") == 1
        if text and not inline:
            continue
        option = text[:-1] if inline else before
        if option.startswith("--"):
            raise typer.BadParameter("it is empty; omit the option for its default", param_hint=option)
        raise typer.BadParameter("an argument is empty")


def _described(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return error.format_message()
    hint = f"; see `{context.command_path} --help`" if context is not None else ""
    return f"spendmeter: {' '.join(error.format_message().split()).rstrip('.')}{hint}"
