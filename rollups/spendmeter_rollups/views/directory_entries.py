"""Entries of the directory, looked up in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from spendmeter_rollups.query.directory import KINDS, entries
from spendmeter_rollups.query.params import Values
from spendmeter_rollups.query.reader import Reader, Row
from spendmeter_rollups.query.scope import only_visible

if TYPE_CHECKING:
    Kind = str
else:
    Kind = Literal[KINDS]


class DirectoryParams(BaseModel):
    """Filters of directory entries."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[Values, Field(description="ids as in events; default: all entries", examples=[["tutor"]])] = []
    org: Annotated[Values, Field(description="default: all orgs that the credential may see")] = []
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=100_000)] = 0


class EntryAnswer(BaseModel):
    """One entry. Fields that its kind does not have are null."""

    id: str
    org_id: str = Field(description="empty for a name that applies to all orgs without one of their own")
    name: str
    avatar_url: str | None = Field(None, description="of an agent")
    role: str | None = Field(None, description="of a user, as class_name and section")
    class_name: str | None = None
    section: str | None = None
    timezone: str | None = Field(None, description="of an org, as currency")
    currency: str | None = None


class DirectoryAnswer(BaseModel):
    """Entries of one kind by id and org."""

    kind: str
    entries: list[EntryAnswer]
    has_more: bool = Field(description="there are entries beyond offset + limit")


async def directory_entries(
    reader: Reader, kind: str, params: DirectoryParams, *, visible: tuple[str, ...] | None
) -> DirectoryAnswer:
    """Return a page of entries. Raises `Problem` (403) for an org that is not visible."""
    requested = tuple(params.org) or None
    orgs = requested if visible is None else only_visible(requested, visible)
    rows = await reader.rows(entries(kind, params.id, orgs, limit=params.limit + 1, offset=params.offset))
    found = [_entry(row) for row in rows]
    return DirectoryAnswer(kind=kind, entries=found[: params.limit], has_more=len(found) > params.limit)


def _entry(row: Row) -> EntryAnswer:
    given = {name: value for name, value in row.items() if value != "" or name in ("name", "org_id")}
    return EntryAnswer(**given)
