"""Query parameters that every endpoint accepts, before they are resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from spendmeter_rollups.query.windows import PRESET_ALIASES, PRESETS

# The alphabet of event identifiers: no control characters.
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Value = Annotated[str, StringConstraints(max_length=128, pattern=_PRINTABLE)]
Values = Annotated[list[Value], Field(max_length=100)]


_ALIASES: Final[Mapping[str, str]] = {"system": "platform"}


def fold(value: Any) -> Any:
    """Return a value of a closed set in lower case: `BYOK` and `Error` are common spellings."""
    return value.strip().lower() if isinstance(value, str) else value


def _fold_source(value: Any) -> Any:
    folded = fold(value)
    return _ALIASES.get(folded, folded) if isinstance(folded, str) else folded


KeySource = Annotated[Literal["platform", "byok"], BeforeValidator(_fold_source)]
Status = Annotated[Literal["ok", "error", "cancelled"], BeforeValidator(fold)]


class ScopeParams(BaseModel):
    """Window, time zone, filters and currency. A repeated filter matches any of its values."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    preset: Annotated[
        Value | None,
        Field(
            description=f"One of {', '.join((*PRESETS, *PRESET_ALIASES))}; any other value means 30d, with a warning.",
            examples=["30d"],
        ),
    ] = None
    from_: Annotated[
        Value | None,
        Field(
            alias="from",
            description="ISO 8601 timestamp, or a day (its start). Without an offset it is local to `tz`.",
            examples=["2026-11-01"],
        ),
    ] = None
    to: Annotated[
        Value | None,
        Field(
            description="ISO 8601 timestamp (exclusive), or a day (inclusive). Default: now.",
            examples=["2026-11-22"],
        ),
    ] = None
    tz: Annotated[
        Value,
        Field(
            description="IANA time zone of days, weeks and months.",
            examples=["Asia/Kolkata"],
        ),
    ] = "UTC"
    org: Values = []
    role: Values = []
    feature: Values = []
    provider: Values = []
    model: Values = []
    key_source: Annotated[
        list[KeySource], Field(max_length=10, description="in any case; `system` means `platform`")
    ] = []
    user: Annotated[Values, Field(description="`system` for calls made without a user.")] = []
    currency: Annotated[Value, Field(description="ISO 4217 code with a known rate.", examples=["USD"])] = "USD"
