"""Query parameters that every endpoint accepts, before they are resolved."""

from __future__ import annotations

from collections.abc import Mapping
from keyword import iskeyword
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, create_model

from spendmeter_clickhouse.catalogue import DIMENSIONS, LOOKUPS
from spendmeter_rollups.catalogue.dimensions import STUDENT_DIMENSIONS, STUDENT_ROLE
from spendmeter_rollups.catalogue.tags import tag_column
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


_DESCRIPTIONS: Final = {
    "user": "`system` for calls made without a user.",
    "key_source": "In any case; `system` means `platform`.",
    "class": "Counts students only.",
    "section": "Counts students only.",
    "request_id": "Id of a request: read from raw events.",
    "conversation_id": "Id of a conversation: read from raw events.",
}
_TYPES: Final[dict[str, Any]] = {
    "key_source": Annotated[list[KeySource], Field(max_length=10)],
    "status": Annotated[list[Status], Field(max_length=3)],
}


def field_of(name: str) -> str:
    """Return the model field of the parameter `name`: some names are keywords of Python."""
    return f"{name}_" if iskeyword(name) else name


def _filters() -> dict[str, Any]:
    return {
        field_of(name): (_TYPES.get(name, Values), Field([], alias=name, description=_DESCRIPTIONS.get(name)))
        for name in (*DIMENSIONS, *LOOKUPS)
    }


if TYPE_CHECKING:
    _Filters = BaseModel
else:
    # One filter per dimension of the catalogue.
    _Filters = create_model("_Filters", **_filters())


def _check_tag(text: str) -> str:
    key, colon, _ = text.partition(":")
    if not key or not colon:
        raise ValueError("expected KEY:VALUE")
    return text


TagFilter = Annotated[str, StringConstraints(max_length=321, pattern=_PRINTABLE), AfterValidator(_check_tag)]


class ScopeParams(_Filters):
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
    tag: list[TagFilter] = Field(
        [],
        max_length=100,
        description="KEY:VALUE, read from raw events. Values of one key are alternatives; every key must match.",
        examples=[["env:production"]],
    )
    currency: Annotated[
        Value,
        Field(
            description="ISO 4217 code with a known rate, in any case, or `org` for the currency of the orgs in the"
            " directory (USD, with a warning, if they differ). Each UTC day is converted at its own rate.",
            examples=["USD"],
        ),
    ] = "USD"

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Return the filters by column."""
        columns = {name: dimension.columns[-1] for name, dimension in DIMENSIONS.items()}
        columns |= {name: name for name in LOOKUPS}
        found = {column: tuple(getattr(self, field_of(name))) for name, column in columns.items()}
        for key, _, value in (text.partition(":") for text in self.tag):
            found[tag_column(key)] = (*found.get(tag_column(key), ()), value)
        chosen = {column: values for column, values in found.items() if values}
        if any(getattr(self, field_of(name)) for name in STUDENT_DIMENSIONS):
            # As in the breakdowns by class and section: a row and its drill-down show the same figures.
            roles = chosen.get("role", (STUDENT_ROLE,))
            chosen["role"] = tuple(role for role in roles if role == STUDENT_ROLE)
        return chosen
