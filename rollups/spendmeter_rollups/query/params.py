"""The query parameters that every answer takes, as they come in."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from spendmeter_rollups.query.windows import PRESETS

# The same alphabet as the identifiers of an event: nothing that breaks a line or ends a string.
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Value = Annotated[str, StringConstraints(max_length=128, pattern=_PRINTABLE)]
Values = Annotated[list[Value], Field(max_length=100)]


class ScopeParams(BaseModel):
    """Window, zone, filters and currency. A filter given several times lets any of its values pass."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    preset: Annotated[
        Value | None,
        Field(
            description=f"One of {', '.join(PRESETS)}; anything else means 30d.",
            examples=["30d"],
        ),
    ] = None
    from_: Annotated[
        Value | None,
        Field(
            alias="from",
            description="ISO 8601 instant, or a day (its start). Without an offset it is local to `tz`.",
            examples=["2026-11-01"],
        ),
    ] = None
    to: Annotated[
        Value | None,
        Field(
            description="ISO 8601 instant (not included), or a day (the whole day is). Default: now.",
            examples=["2026-11-22"],
        ),
    ] = None
    tz: Annotated[
        Value,
        Field(
            description="IANA time zone in which days, weeks and months are cut.",
            examples=["Asia/Kolkata"],
        ),
    ] = "UTC"
    org: Values = []
    role: Values = []
    feature: Values = []
    provider: Values = []
    model: Values = []
    key_source: Values = []
    user: Annotated[Values, Field(description="`system` for calls made without a user.")] = []
    currency: Annotated[Value, Field(description="ISO 4217 code with a known rate.", examples=["USD"])] = "USD"
