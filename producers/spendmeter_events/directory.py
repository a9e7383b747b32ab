"""Directory entries, published to the compacted directory topic: names and attributes of orgs and users, and names of
agents, tasks, configurations and features."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from spendmeter_events.event import Identifier, Label, Moment, OptionalIdentifier

Name = Annotated[str, StringConstraints(max_length=256)]


def _iana_zone(name: str) -> str:
    # "localtime" depends on the reading machine.
    if name not in ("localtime", "Factory", "posixrules") and not name.startswith(("posix/", "right/")):
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            ZoneInfo(name)
            return name
    raise ValueError("must be a name of the IANA time zone database, such as Asia/Kolkata")


def _within_store_range(moment: datetime) -> datetime:
    if not _FIRST <= moment <= _LAST:
        raise ValueError("must be between the years 1970 and 2200")
    return moment


_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2201, 1, 1, tzinfo=UTC)

UpdatedAt = Annotated[Moment, AfterValidator(_within_store_range)]
Zone = Annotated[Label, AfterValidator(_iana_zone)]


class OrgEntry(BaseModel):
    """An org (a school, a tenant): name, time zone and currency."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["org"] = "org"
    org_id: Identifier
    name: Name = ""
    timezone: Zone = "UTC"
    """IANA name of the zone of this org's days and calendar months."""
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "USD"
    updated_at: UpdatedAt = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def key(self) -> bytes:
        """The Kafka key of this org."""
        return f"org/{self.org_id}".encode()


class UserEntry(BaseModel):
    """A user of an org. The worker adds the role, class and section in force when a call occurred to its event."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["user"] = "user"
    org_id: Identifier
    user_id: Identifier
    name: Name = ""
    email: Name = ""
    role: Label = ""
    class_name: Label = ""
    section: Label = ""
    updated_at: UpdatedAt = Field(default_factory=lambda: datetime.now(UTC))
    valid_from: UpdatedAt | None = None
    """From when role, class and section apply, at the latest `updated_at`, which is the default. Those of the earliest
    entry apply to earlier calls too. An entry never changes events that are stored."""

    @model_validator(mode="after")
    def _valid_from_the_past(self) -> Self:
        if self.valid_from is not None and self.valid_from > self.updated_at:
            raise ValueError("valid_from must not be after updated_at")
        return self

    @property
    def key(self) -> bytes:
        """The Kafka key of this user."""
        return f"user/{self.org_id}/{self.user_id}".encode()


class NameEntry(BaseModel):
    """The name of an agent, a task, a configuration or a feature, as in events; of an agent also a picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["agent", "task", "configuration", "feature"]
    id: Identifier
    org_id: OptionalIdentifier = ""
    """The org that uses this name; empty for all orgs without one of their own."""
    name: Name = ""
    avatar_url: Annotated[str, StringConstraints(max_length=512, pattern=r"^(https://[^\s\x00-\x1f\x7f<>\"'`]+)?$")] = (
        ""
    )
    updated_at: UpdatedAt = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def key(self) -> bytes:
        """The Kafka key of this name."""
        return f"{self.kind}/{self.org_id}/{self.id}".encode()


Entry = OrgEntry | UserEntry | NameEntry
DirectoryEntry = Annotated[Entry, Field(discriminator="kind")]
directory_entry: TypeAdapter[Entry] = TypeAdapter(DirectoryEntry)
"""Validate one record of the directory topic: `directory_entry.validate_json(value)`."""
