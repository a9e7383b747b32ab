"""Create, list and revoke API keys over HTTP. A key grants at most what the credential that creates it has."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from spendmeter_clickhouse import Session
from spendmeter_clickhouse.api_keys import ApiKey, digest_of, generate_key, list_keys, revoke_key, store_key
from spendmeter_clickhouse.scopes import EVENTS_WRITE, ORG_READ
from spendmeter_rollups.access.auth import ADMIN, Credential
from spendmeter_rollups.problems import forbidden, invalid_parameter, not_found
from spendmeter_rollups.settings import ServiceSettings

_DEFAULTS: Final = {"query_seconds": "query_timeout_seconds"}
"""Limit → the setting of its default, where their names differ."""
_UINT32: Final = 2**32 - 1
_COUNT: Final = 2**53
_Text = Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Limit = Annotated[int, Field(ge=0, le=_UINT32)]
_LargeLimit = Annotated[int, Field(ge=0, le=_COUNT)]


class KeyLimits(BaseModel):
    """Limits of a key, at most those of the caller; 0 uses the service's default."""

    requests_per_minute: _Limit = 0
    query_seconds: _Limit = 0
    query_memory_bytes: _LargeLimit = 0
    query_rows: _LargeLimit = 0


class KeyBody(KeyLimits):
    """A key to create."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[_Text, Field(min_length=1, description="purpose of the key", examples=["finance dashboard"])]
    scopes: Annotated[
        list[Literal["platform:read", "platform:write", "org:read", "events:write"]], Field(min_length=1, max_length=4)
    ]
    org_id: Annotated[_Text, Field(description="org of a key with the scope org:read or events:write")] = ""
    days: Annotated[
        int, Field(ge=0, le=3650, description="validity, at most that of the caller; 0: as long as the caller")
    ] = 0


class KeyAnswer(KeyLimits):
    """A key without its secret."""

    prefix: str = Field(description="identifies the key, as in the audit log", examples=["spm_0123456789"])
    name: str
    scopes: list[str]
    org_id: str = Field(description="empty for a key without an org")
    state: Literal["valid", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None


class CreatedKey(KeyAnswer):
    """A new key."""

    key: str = Field(description="the key itself: returned once, stored as its SHA-256 only")


class KeysParams(BaseModel):
    """A page of keys."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=100_000)] = 0


class KeysAnswer(BaseModel):
    """Keys, oldest first, revoked and expired ones included."""

    api_keys: list[KeyAnswer]
    has_more: bool = Field(description="true if there are keys beyond offset + limit")


async def stored_keys(session: Session, credential: Credential, params: KeysParams, *, now: datetime) -> KeysAnswer:
    """Return a page of the keys that `credential` manages. Raises `StoreError`."""
    found = [key for key in await list_keys(session) if _manages(credential, key.org_id)]
    end = params.offset + params.limit
    keys = [KeyAnswer(**_fields(key, now)) for key in found[params.offset : end]]
    return KeysAnswer(api_keys=keys, has_more=len(found) > end)


async def create_key(
    session: Session, credential: Credential, body: KeyBody, *, now: datetime, settings: ServiceSettings
) -> CreatedKey:
    """Store a new key. Raises `Problem`: 403 for a scope or an org that `credential` lacks, 422 for a wrong org.

    :param settings: defaults of the limits.
    """
    _check_org(body)
    if not _manages(credential, body.org_id):
        raise forbidden("this credential can only create keys of its own org", parameter="org_id")
    for scope in body.scopes:
        if not _may_grant(credential, scope, body.org_id):
            raise forbidden(f"this credential cannot grant the scope {scope}, which it lacks", parameter="scopes")
    token, prefix = generate_key()
    key = ApiKey(
        prefix=prefix,
        digest=digest_of(token),
        name=body.name,
        scopes=tuple(dict.fromkeys(body.scopes)),
        org_id=body.org_id,
        expires_at=_end(credential, body, now),
        created_at=now,
        updated_at=now,
    )
    key = replace(key, **_limits(credential, body, settings))
    await store_key(session, key)
    return CreatedKey(**_fields(key, now), key=token)


async def revoke_stored_key(session: Session, credential: Credential, prefix: str, *, now: datetime) -> ApiKey:
    """Revoke a key and return it. Revoking it again has no effect.

    Raises `Problem` (404) for an unknown prefix, and for a key that `credential` does not manage.
    """
    revoked = await revoke_key(session, prefix, now=now, org_id=credential.managed_org())
    if revoked is None:
        raise not_found("prefix", "unknown API key")
    return revoked


def _check_org(body: KeyBody) -> None:
    if ORG_READ in body.scopes and not body.org_id:
        raise invalid_parameter("org_id", f"the scope {ORG_READ} requires an org")
    if body.org_id and not {ORG_READ, EVENTS_WRITE} & set(body.scopes):
        raise invalid_parameter("org_id", f"an org requires the scope {ORG_READ} or {EVENTS_WRITE}")


def _manages(credential: Credential, org_id: str) -> bool:
    return credential.managed_org() in (None, org_id)


def _may_grant(credential: Credential, scope: str, org_id: str) -> bool:
    if scope == ORG_READ:
        orgs = credential.orgs()
        return orgs is None or org_id in orgs
    if scope == EVENTS_WRITE and credential.org_id is not None and org_id != credential.org_id:
        return False
    return scope in credential.scopes


def _end(credential: Credential, body: KeyBody, now: datetime) -> datetime | None:
    """Return the requested end, at most that of `credential`: an expiring key cannot outlive itself by another one."""
    ends = [credential.expires_at, now + timedelta(days=body.days) if body.days else None]
    return min((end for end in ends if end is not None), default=None)


def _limits(credential: Credential, body: KeyBody, settings: ServiceSettings) -> dict[str, Any]:
    """Return the requested limits, at most those in force for `credential`, unless it is the administrator."""
    requested = {name: getattr(body, name) for name in KeyLimits.model_fields}
    if credential.name == ADMIN:
        return requested
    return {
        name: _at_most(limit, getattr(credential.limits, name), getattr(settings, _DEFAULTS.get(name, name)))
        for name, limit in requested.items()
    }


def _at_most(requested: int, own: int, default: int) -> int:
    """Return the requested limit, lowered to that of the creator. 0 means the default, and a default of 0 no limit."""
    allowed, effective = own or default, requested or default
    return allowed if allowed and (not effective or effective > allowed) else requested


def _fields(key: ApiKey, now: datetime) -> dict[str, object]:
    state = "revoked" if key.revoked else "valid" if key.valid(now) else "expired"
    shown = ("prefix", "name", "org_id", "created_at", "expires_at", *KeyLimits.model_fields)
    return {**{name: getattr(key, name) for name in shown}, "scopes": list(key.scopes), "state": state}
