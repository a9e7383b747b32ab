"""HTTP of one request: authentication, decoding, and encoding of the response."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Final

import lz4.frame  # type: ignore[import-untyped]
from aiohttp import hdrs, web
from aiohttp.multipart import BodyPartReader
from backports import zstd

from tests.support.clickhouse_http.engine import Result
from tests.support.clickhouse_http.errors import AUTHENTICATION_FAILED, NOT_IMPLEMENTED, ServerError
from tests.support.clickhouse_http.statement import check_field, check_url

_CONTENT_TYPES: Final = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TabSeparatedWithNames": "text/tab-separated-values; charset=UTF-8",
    "JSON": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
}


def authenticate(request: web.Request, passwords: Mapping[str, str]) -> str:
    """Return the user of `request`: basic authentication, `X-ClickHouse-User` and `-Key`, or URL parameters.

    :raises ServerError: unknown user, wrong password, or two of these methods at once.
    """
    basic = request.headers.get(hdrs.AUTHORIZATION, "")
    ways = [
        _basic(basic) if basic else None,
        (request.headers["X-ClickHouse-User"], request.headers.get("X-ClickHouse-Key", ""))
        if "X-ClickHouse-User" in request.headers
        else None,
        (request.query["user"], request.query.get("password", "")) if "user" in request.query else None,
    ]
    given = [way for way in ways if way is not None]
    if len(given) > 1:
        raise _refused("Invalid authentication: it is not allowed to use two schemes simultaneously")
    user, password = given[0] if given else ("default", "")
    if passwords.get(user) != password:
        raise _refused(f"{user}: Authentication failed: password is incorrect, or there is no user with such name.")
    return user


async def read_request(request: web.Request) -> tuple[dict[str, str], bytes]:
    """Return URL and form fields, and the decompressed body."""
    check_url(request.rel_url.raw_query_string)
    fields = dict(request.query)
    if request.content_type == "multipart/form-data":
        fields.update(await _form(request))
        return fields, b""
    return fields, _decompressed(await request.read(), request.headers.get(hdrs.CONTENT_ENCODING, ""))


def success(result: Result, request: web.Request, *, timezone: str) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a result, compressed if the client requests it."""
    headers = {
        hdrs.CONTENT_TYPE: _CONTENT_TYPES.get(result.format or "TabSeparated", "application/octet-stream"),
        "X-ClickHouse-Summary": json.dumps(result.summary),
        "X-ClickHouse-Timezone": timezone,
    }
    if result.format is not None:
        headers["X-ClickHouse-Format"] = result.format
    encoding = _encoding(request)
    if encoding and result.body:
        headers[hdrs.CONTENT_ENCODING] = encoding
        return headers, _compressed(result.body, encoding)
    return headers, result.body


def failure(error: ServerError, *, version: str) -> tuple[dict[str, str], bytes]:
    """Return headers and body of an exception."""
    headers = {hdrs.CONTENT_TYPE: "text/plain; charset=UTF-8", "X-ClickHouse-Exception-Code": str(error.code)}
    return headers, f"{error.message} (version {version} (official build))\n".encode()


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise _refused("Invalid authentication: only 'Basic' HTTP Authorization scheme is supported")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _refused("Invalid authentication: the credentials cannot be read") from error
    return user, password


def _refused(why: str) -> ServerError:
    message = f"Code: {AUTHENTICATION_FAILED}. DB::Exception: {why} (AUTHENTICATION_FAILED)"
    return ServerError(code=AUTHENTICATION_FAILED, message=message)


async def _form(request: web.Request) -> dict[str, str]:
    fields: dict[str, str] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.filename is not None:
            message = f"Code: {NOT_IMPLEMENTED}. DB::Exception: no external tables here (NOT_IMPLEMENTED)"
            raise ServerError(code=NOT_IMPLEMENTED, message=message)
        value = bytes(await part.read())
        check_field(value)
        fields[part.name or ""] = value.decode()
    return fields


def _encoding(request: web.Request) -> str:
    """Return the compression that ClickHouse would choose among those that the client accepts."""
    if request.query.get("enable_http_compression") != "1":
        return ""
    accepted = request.headers.get(hdrs.ACCEPT_ENCODING, "")
    return next((method for method in ("lz4", "gzip", "deflate", "zstd") if method in accepted), "")


def _compressed(body: bytes, encoding: str) -> bytes:
    if encoding == "lz4":
        return bytes(lz4.frame.compress(body))
    if encoding == "zstd":
        return zstd.compress(body)
    return gzip.compress(body, 1) if encoding == "gzip" else zlib.compress(body, 1)


def _decompressed(body: bytes, encoding: str) -> bytes:
    """Decompress the body, which is one frame per block."""
    if encoding in ("", "identity"):
        return body
    if encoding == "lz4":
        plain = b""
        while body:
            frame = lz4.frame.LZ4FrameDecompressor()
            plain += frame.decompress(body)
            body = frame.unused_data or b""
        return plain
    if encoding == "zstd":
        return zstd.decompress(body)
    if encoding in ("gzip", "deflate"):
        return gzip.decompress(body) if encoding == "gzip" else zlib.decompress(body)
    message = f"Code: {NOT_IMPLEMENTED}. DB::Exception: Unknown compression method {encoding} (NOT_IMPLEMENTED)"
    raise ServerError(code=NOT_IMPLEMENTED, message=message)
