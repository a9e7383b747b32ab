"""Read fields of a response, which is an SDK object or decoded JSON, in any of several spellings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeGuard

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
_NAME: Final = re.compile(r"[A-Za-z_][\w.\-]{0,63}")
_MAX_DEPTH: Final = 3
_MAX_KEYS: Final = 32

_TIERS: Final = {
    "default": "standard",
    "auto": "standard",
    "on_demand": "standard",
    "unspecified": "standard",
    "on_demand_priority": "priority",
    "on_demand_flex": "flex",
}


_SENTINELS: Final = frozenset((
    "unset", "notset", "notgiven", "notprovided", "omit", "omitted", "undefined", "pydanticundefined", "missing",
    "absent", "empty", "ellipsis", "sentinel", "nothing",
))  # fmt: skip
"""Type names, without `_`, `Type` and case, of the SDKs' placeholders for unset fields."""


def pick(payload: object, *names: str) -> Any:
    """Return the first of these keys or attributes that is set, else None. SDK sentinels count as not set."""
    if payload is None:
        return None
    # `isinstance` of an abstract class costs more than the lookup; most payloads are dicts.
    get = payload.get if type(payload) is dict or isinstance(payload, Mapping) else _getter(payload)
    for name in names:
        value = get(name)
        if value is not None and not _is_sentinel(value):
            return value
    return None


def _getter(payload: object) -> Callable[[str], Any]:
    """Return a function that reads an attribute, or None. A missing one costs a pydantic model microseconds."""
    kind: type = type(payload)
    names = _names_of_model(kind)
    if names is None:
        return lambda name: getattr(payload, name, None)
    own, extra = payload.__dict__, getattr(payload, "__pydantic_extra__", None) or {}
    return lambda name: getattr(payload, name) if name in own or name in extra or name in names else None


@cache
def _names_of_model(kind: type) -> frozenset[str] | None:
    """Return the attributes of a pydantic model's class; None for other classes."""
    return frozenset(dir(kind)) if hasattr(kind, "model_fields") else None


def fields_of(value: object) -> Mapping[str, Any]:
    """Return the named fields of a mapping or an object, including fields that the SDK does not declare."""
    if isinstance(value, Mapping):
        return {name: value[name] for name in value if isinstance(name, str)}
    if isinstance(value, (type, str, bytes, int, float, Decimal, Sequence)):
        return {}
    if callable(listed := getattr(value, "ListFields", None)):  # protobuf
        return {spec.name: inner for spec, inner in listed()}
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    found = {name: getattr(value, name, None) for name in slots if not name.startswith("_")}
    for names in (getattr(value, "__dict__", None), getattr(value, "__pydantic_extra__", None)):
        found |= {name: names[name] for name in names if not name.startswith("_")} if isinstance(names, dict) else {}
    return found


def _is_sentinel(value: object) -> bool:
    kind: type = type(value)
    if kind in _PLAIN:
        return False
    return _names_a_sentinel(kind) or (_has_only_truth_value(kind) and not value)


_PLAIN: Final = frozenset((str, int, float, bool, dict, list, tuple, bytes))


@cache
def _names_a_sentinel(kind: type) -> bool:
    return kind is type or kind.__name__.replace("_", "").lower().removesuffix("type") in _SENTINELS


@cache
def _has_only_truth_value(kind: type) -> bool:
    """Return whether objects of this type have a truth value, but are neither numbers nor containers."""
    return hasattr(kind, "__bool__") and not hasattr(kind, "__len__") and not hasattr(kind, "__float__")


def items(payload: object, *names: str) -> Sequence[Any]:
    """Return the list under the first of these names, else an empty sequence."""
    value = pick(payload, *names)
    return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else ()


def text(value: object, limit: int = 128) -> str:
    """Return a provider's identifier, printable and truncated as the event contract requires; empty if not a string."""
    value = getattr(value, "value", value)  # an enum member
    return _CONTROL.sub(" ", value)[:limit] if isinstance(value, str) else ""


def tier(value: object) -> str:
    """Return a service tier in the price book's spelling; unknown names are returned in lower case."""
    name = text(value, 64).lower().removeprefix("service_tier_")
    return _TIERS.get(name, name)


def is_stream(response: object) -> TypeGuard[Iterable[object]]:
    """Return whether this is an iterable of chunks. SDK objects that iterate over their fields are not."""
    if isinstance(response, (str, bytes, bytearray, Mapping)) or hasattr(type(response), "model_fields"):
        return False
    return isinstance(response, Iterable)


def shape_of(value: object, depth: int = 0) -> str:
    """Return key names and types of a payload, never a value: `{prompt_tokens: int, details: {cached_tokens: str}}`.

    A key that does not look like a field name may be content, and is shown as `?`.
    """
    if isinstance(value, (list, tuple)):
        return f"[{shape_of(value[0], depth + 1)}]" if value and depth < _MAX_DEPTH else "list"
    fields = value if isinstance(value, Mapping) else getattr(value, "__dict__", None)
    if not isinstance(fields, Mapping) or isinstance(value, type):
        return type(value).__name__
    if depth >= _MAX_DEPTH:
        return "object"
    shown = [f"{field_name(name)}: {shape_of(fields[name], depth + 1)}" for name in list(fields)[:_MAX_KEYS]]
    return "{" + ", ".join(shown) + "}"


def field_name(name: object) -> str:
    """Return the key if it looks like a field name, else `?`: it may be content."""
    return name if isinstance(name, str) and _NAME.fullmatch(name) else "?"
