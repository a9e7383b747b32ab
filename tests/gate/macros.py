"""Expand a statement as Grafana and its ClickHouse plugin (v4) do before they send it.

In their order: the browser replaces `$__conditionalAll` (`CHDatasource.ts`, `applyConditionalAll`) and the board's
variables (the `singlequote` formatter of scenes); then the plugin's backend replaces its macros (`pkg/macros`, by
`sqlutil.Interpolate`). Two ways of finding a macro's arguments are in use: the older one takes the next parenthesis,
however far away, the newer one only a parenthesis right behind the name. A statement must mean the same to both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

ALL: Final = "$__all"

Value = str | list[str]
"""Value of a variable: a list for a multi-value one, `[ALL]` for All."""


@dataclass(frozen=True, slots=True)
class Request:
    """Parameters of a panel's query. `interval` is in seconds."""

    start: datetime
    end: datetime
    variables: Mapping[str, Value]
    timezone: str = "utc"
    interval: float = 60


class MacroError(Exception):
    """The plugin would reject the statement, or could read it in two ways."""


def expand(statement: str, request: Request) -> str:
    """Return `statement` as ClickHouse receives it."""
    return backend(variables(conditional_all(statement, request.variables), request), request)


def conditional_all(statement: str, values: Mapping[str, Value]) -> str:
    """Replace `$__conditionalAll(condition, $variable)`: 1=1 if the variable is All or empty."""
    macro = "$__conditionalAll("
    while (at := statement.rfind(macro)) != -1:
        arguments = _arguments(statement[at + len(macro) - 1 :])
        if len(arguments) != 2:
            raise MacroError(f"$__conditionalAll takes two arguments: {statement[at : at + 80]}")
        condition, variable = arguments
        (name,) = re.findall(r"(?<=\$\{)\w+(?=\})|(?<=\$)\w+", variable)[:1] or [""]
        if name not in values:
            raise MacroError(f"$__conditionalAll names {variable.strip()}, which the board does not have")
        value = values[name]
        text = ",".join(value) if isinstance(value, list) else value
        phrase = "1=1" if text in ("", ALL) else condition
        if re.search(r"\$[$&`']", phrase):
            raise MacroError(f"the browser's replace reads a pattern in {phrase}")
        statement = statement.replace(f"{macro}{condition},{variable})", phrase, 1)
    return statement


def variables(statement: str, request: Request) -> str:
    """Replace `$name`, `${name}`, `${name:format}`. Unknown names stay unchanged."""

    if odd := re.search(r"\[\[\w|--|/\*", statement):
        raise MacroError(f"{odd[0]} is a variable's other form, or a comment that newer plugins remove")

    def replaced(match: re.Match[str]) -> str:
        name, form = match["short"] or match["long"], match["form"]
        if name == "__timezone":
            return _formatted(request.timezone, form)
        if name not in request.variables:
            return match[0]
        return _formatted(request.variables[name], form)

    return re.sub(r"\$(?P<short>\w+)|\$\{(?P<long>\w+)(?::(?P<form>[^}]+))?\}", replaced, statement)


def backend(statement: str, request: Request) -> str:
    """Replace the macros of the plugin's backend, which must mean the same to both of its parsers."""
    loose, strict = _expanded(statement, request, _next_parenthesis), _expanded(statement, request, _own_parenthesis)
    if loose != strict:
        raise MacroError(f"older and newer plugins read this statement in two ways:\n{loose}\n--\n{strict}")
    left = re.findall(r"\$__\w+|\$\{[^}]*\}|\$\w+", strict)
    if left:
        raise MacroError(f"nothing expands {left}")
    return strict


def _formatted(value: Value, form: str | None) -> str:
    if form == "singlequote":
        return ",".join("'" + item.replace("'", "\\'") + "'" for item in ([value] if isinstance(value, str) else value))
    if form is None and isinstance(value, str):
        return value
    raise MacroError(f"a statement must not use the format {form!r} for {value!r}")


def _arguments(text: str) -> list[str]:
    """Return the arguments in the parenthesis that `text` begins with, split at commas."""
    found, depth, last = [], 0, 1
    for match in re.finditer(r"[(),]", text):
        depth += {"(": 1, ")": -1, ",": 0}[match[0]]
        if (match[0] == "," and depth == 1) or depth == 0:
            found.append(text[last : match.start()])
            last = match.end()
        if depth == 0:
            return found
    return []


def _expanded(statement: str, request: Request, find_end: Callable[[str, int], tuple[int, int]]) -> str:
    for name, macro in _MACROS.items():
        found = []
        for match in re.finditer(rf"\$__{name}\b", statement):
            begin, end = find_end(statement[match.start() :], match.end() - match.start())
            whole = statement[match.start() : match.start() + end]
            found.append((whole, [part.strip() for part in whole[begin : end - 1].split(",")] if begin else [""]))
        for whole, arguments in found:
            statement = statement.replace(whole, macro(request, *arguments))
    return statement


def _next_parenthesis(text: str, length: int) -> tuple[int, int]:
    """Return (start of the arguments, end of the macro), as sqlutil's `getMacroMatches`."""
    depth = begin = end = 0
    for index, character in enumerate(text):
        if depth == 0 and end:
            break
        if character == "(":
            depth += 1
            begin = begin or index + 1
        elif character == ")":
            if depth == 0:
                return 0, length
            depth -= 1
            end = index + 1
    return (begin, end) if end else (0, length)


def _own_parenthesis(text: str, length: int) -> tuple[int, int]:
    return _next_parenthesis(text, length) if text[length : length + 1] == "(" else (0, length)


def _seconds(moment: datetime) -> str:
    return f"toDateTime({int(moment.timestamp())})"


def _milliseconds(moment: datetime) -> str:
    return f"fromUnixTimestamp64Milli({int(moment.timestamp() * 1000)})"


def _within(form: Callable[[datetime], str]) -> Callable[[Request, str], str]:
    return lambda request, column: f"{column} >= {form(request.start)} AND {column} <= {form(request.end)}"


def _date(moment: datetime) -> str:
    return f"toDate('{moment:%Y-%m-%d}')"


def _date_time(request: Request, date: str, time: str) -> str:
    return f"({_within(_date)(request, date)}) AND ({_within(_seconds)(request, time)})"


_MACROS: Final[dict[str, Callable[..., str]]] = {
    "fromTime": lambda request, _: _seconds(request.start),
    "toTime": lambda request, _: _seconds(request.end),
    "fromTime_ms": lambda request, _: _milliseconds(request.start),
    "toTime_ms": lambda request, _: _milliseconds(request.end),
    "timeFilter": _within(_seconds),
    "timeFilter_ms": _within(_milliseconds),
    "dateFilter": _within(_date),
    "dateTimeFilter": _date_time,
    "dt": _date_time,
    "timeInterval": lambda request, column: (
        f"toStartOfInterval(toDateTime({column}), INTERVAL {int(max(request.interval, 1))} second)"
    ),
    "timeInterval_ms": lambda request, column: (
        f"toStartOfInterval(toDateTime64({column}, 3), INTERVAL {int(max(request.interval * 1000, 1))} millisecond)"
    ),
    "interval_s": lambda request, _: str(int(max(request.interval, 1))),
}
