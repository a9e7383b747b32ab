"""Money: exact decimals, strings in JSON, in USD or converted at a dated rate that the answer includes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from typing import Annotated, Final

from pydantic import PlainSerializer, WithJsonSchema

_EXACT: Final = Context(prec=80)

USD: Final = "USD"


def plain(amount: Decimal) -> str:
    """Format `amount` exactly, without exponent or trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


Money = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^-?\d+(\.\d+)?$",
            "description": "exact decimal amount in the answer's currency",
            "examples": ["96.791325"],
        }
    ),
]


@dataclass(frozen=True, slots=True)
class Rate:
    """Units of `currency` per USD on the day `on`; USD itself has no date."""

    currency: str = USD
    per_usd: Decimal = Decimal(1)
    on: date | None = None
    source: str = ""

    def convert(self, usd: Decimal) -> Decimal:
        """Convert without rounding, so that converted parts add up to the converted total."""
        if self.currency == USD:
            return usd
        return _EXACT.multiply(usd, self.per_usd)
