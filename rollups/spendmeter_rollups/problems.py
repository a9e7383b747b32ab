"""Refusals as RFC 9457 problem JSON: what was wrong with which parameter, and what is allowed.

A query parameter that cannot be used is 422; an unknown segment of the path is 404; no credential is 401 and
one that may not is 403; what is there already is 409; a store that does not answer, or not within its limits, is 503.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from spendmeter_clickhouse import StoreError, StoreUnreachableError

MEDIA_TYPE: Final = "application/problem+json"
_MOST_FAULTS: Final = 20
_TOO_HEAVY: Final = "The question took more time, memory or rows than allowed: ask for a shorter window or filter it."
_LIMIT_ERRORS: Final = ("TIMEOUT_EXCEEDED", "TOO_SLOW", "MEMORY_LIMIT_EXCEEDED", "TOO_MANY_ROWS", "TOO_MANY_BYTES")


class Fault(BaseModel):
    """One parameter that was refused."""

    parameter: str
    detail: str
    allowed: list[str] | None = None


class ProblemAnswer(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(examples=["urn:spendmeter:problem:invalid-parameter"])
    title: str
    status: int
    detail: str
    instance: str = Field(description="the path that was asked")
    errors: list[Fault] = []


class Problem(Exception):
    """Ends a request with a problem answer. `kind` is the last part of its type URN."""

    def __init__(
        self,
        *,
        status: int,
        kind: str,
        title: str,
        detail: str,
        errors: Sequence[Fault] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.errors = list(errors)
        self.headers = headers


def invalid_parameter(parameter: str, detail: str, *, allowed: Sequence[str] | None = None) -> Problem:
    """A query parameter that cannot be used."""
    return invalid_parameters([_fault(parameter, detail, allowed)])


def invalid_parameters(faults: Sequence[Fault]) -> Problem:
    """Several at once, so that a caller mends them in one go."""
    detail = "; ".join(f"{fault.parameter}: {fault.detail}" for fault in faults)
    return Problem(status=422, kind="invalid-parameter", title="Invalid parameter", detail=detail, errors=faults)


def too_much(detail: str) -> Problem:
    """A question whose answer would be too large, and what makes it smaller."""
    return Problem(status=422, kind="answer-too-large", title="Answer too large", detail=detail)


def not_found(parameter: str, detail: str, *, allowed: Sequence[str] | None = None) -> Problem:
    """A segment of the path that names nothing."""
    fault = _fault(parameter, detail, allowed)
    return Problem(status=404, kind="not-found", title="Not found", detail=f"{parameter}: {detail}", errors=[fault])


def unauthorized(detail: str) -> Problem:
    """No credential, or none that is known."""
    return Problem(
        status=401,
        kind="unauthorized",
        title="Unauthorized",
        detail=detail,
        headers={"WWW-Authenticate": 'Bearer realm="spendmeter"'},
    )


def conflict(parameter: str, detail: str) -> Problem:
    """What is asked for is there already."""
    fault = _fault(parameter, detail, None)
    return Problem(status=409, kind="conflict", title="Conflict", detail=f"{parameter}: {detail}", errors=[fault])


def forbidden(detail: str, *, parameter: str | None = None) -> Problem:
    """A known credential that may not do this."""
    errors = [Fault(parameter=parameter, detail=detail)] if parameter else []
    return Problem(status=403, kind="forbidden", title="Forbidden", detail=detail, errors=errors)


def install_problems(app: FastAPI) -> None:
    """Make every error of `app` a problem answer."""
    app.exception_handler(Problem)(_on_problem)
    app.exception_handler(RequestValidationError)(_on_invalid)
    app.exception_handler(HTTPException)(_on_http)
    app.exception_handler(StoreError)(_on_store)


def describe_problems(app: FastAPI) -> None:
    """Give every problem its media type in the OpenAPI document, which knows of JSON alone."""
    written = app.openapi

    def described() -> dict[str, Any]:
        document = written()
        operations = [operation for item in document["paths"].values() for operation in item.values()]
        for answer in (answer for operation in operations for answer in operation["responses"].values()):
            schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
            if schema.get("$ref", "").endswith("/ProblemAnswer"):
                answer["content"] = {MEDIA_TYPE: {"schema": schema}}
        return document

    app.openapi = described  # type: ignore[method-assign]


def _fault(parameter: str, detail: str, allowed: Sequence[str] | None) -> Fault:
    return Fault(parameter=parameter, detail=detail, allowed=None if allowed is None else list(allowed))


def render(request: Request, problem: Problem) -> JSONResponse:
    """The answer for `problem`."""
    answer = ProblemAnswer(
        type=f"urn:spendmeter:problem:{problem.kind}",
        title=problem.title,
        status=problem.status,
        detail=problem.detail,
        instance=request.url.path,
        errors=problem.errors,
    )
    body = answer.model_dump(exclude_none=True)
    return JSONResponse(body, status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def failure(scope: Scope) -> Response:
    """The answer where the service itself failed: nothing about why, which the log has under the request's id."""
    problem = Problem(
        status=500, kind="internal", title="Internal error", detail="The service failed. Its log says why."
    )
    return render(Request(scope), problem)


async def _on_problem(request: Request, error: Problem) -> JSONResponse:
    return render(request, error)


async def _on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    # As many as help: whoever sends thousands of faults must not get an answer many times that size.
    faults = [_validation_fault(request, item) for item in error.errors()[:_MOST_FAULTS]]
    return render(request, invalid_parameters(faults))


async def _on_http(request: Request, error: HTTPException) -> JSONResponse:
    kind = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http-error")
    problem = Problem(
        status=error.status_code,
        kind=kind,
        title=str(error.detail),
        detail=f"{request.method} {request.url.path}: {error.detail}",
        headers=dict(error.headers or {}),
    )
    return render(request, problem)


async def _on_store(request: Request, error: StoreError) -> JSONResponse:
    text = str(error)
    if isinstance(error, StoreUnreachableError):
        kind, detail = "store-unreachable", "The store does not answer. Try again in a moment."
    elif any(name in text for name in _LIMIT_ERRORS):
        kind, detail = "query-limit", _TOO_HEAVY
    else:
        # The caller's parameters were checked before they reached the store: this is our mistake, and it is logged.
        raise error
    return render(request, Problem(status=503, kind=kind, title="Service unavailable", detail=detail))


def _validation_fault(request: Request, item: dict[str, Any]) -> Fault:
    location = [str(part) for part in item["loc"]]
    # A body is named by its field, below the name of its kind; a parameter by itself, above the number of its value.
    name = location[-1] if location[0] == "body" else location[min(1, len(location) - 1)]
    if item["type"] == "extra_forbidden":
        allowed = None if location[0] == "body" else _known_parameters(request)
        return Fault(parameter=name, detail="unknown parameter", allowed=allowed)
    expected = item.get("ctx", {}).get("expected")
    allowed = [part.strip(" '") for part in expected.replace(" or ", ", ").split(",")] if expected else None
    return Fault(parameter=name, detail=item["msg"], allowed=allowed)


def _known_parameters(request: Request) -> list[str]:
    names: list[str] = []
    for parameter in request.scope["route"].dependant.query_params:
        model = getattr(parameter.field_info.annotation, "model_fields", None)
        if model is None:
            names.append(parameter.alias)
        else:
            names += [field.alias or name for name, field in model.items()]
    return sorted(names)
