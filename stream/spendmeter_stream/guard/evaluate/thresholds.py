"""Load the guard's thresholds by scope, by default from the packaged `thresholds.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from spendmeter_clickhouse.budgets import BudgetScope
from spendmeter_stream.errors import StreamError

_PACKAGED: Final = Path(__file__).parent / "thresholds.toml"


class ThresholdsError(StreamError):
    """The thresholds file is invalid; the message lists every fault."""


class ScopeThresholds(BaseModel):
    """Thresholds of one scope; `thresholds.toml` describes each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spike_score: float = Field(gt=0)
    floor_usd: float = Field(gt=0)
    floor_share: float = Field(ge=0, lt=1)
    history_days: int = Field(ge=0, le=28)
    burn_fast: float = Field(gt=1)
    burn_slow: float = Field(gt=1)
    burn_score: float = Field(ge=0)
    nearly_used: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Self:
        if self.burn_slow > self.burn_fast:
            raise ValueError("burn_slow must not be above burn_fast")
        return self


class Thresholds(BaseModel):
    """Thresholds by scope; those of `feature` apply to every other dimension too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    org: ScopeThresholds
    feature: ScopeThresholds
    user: ScopeThresholds

    def of(self, scope: BudgetScope) -> ScopeThresholds:
        """Return the thresholds of `scope`; those of a feature for every other dimension."""
        return {"org": self.org, "user": self.user}.get(scope, self.feature)


def load_thresholds(path: Path | None = None) -> Thresholds:
    """Read `path`, or the packaged file.

    :raises ThresholdsError: the file cannot be read, or a threshold is missing, unknown or out of range.
    """
    try:
        return Thresholds(**tomllib.loads((path or _PACKAGED).read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ThresholdsError(f"{path}: {'; '.join(faults).replace(': Value error, ', ': ')}") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ThresholdsError(f"cannot read {path}: {reason}. Check SPENDMETER_GUARD_THRESHOLDS_PATH.") from error


@cache
def default_thresholds() -> Thresholds:
    """Return the packaged thresholds."""
    return load_thresholds()
