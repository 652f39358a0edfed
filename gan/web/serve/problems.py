"""Errors as problem documents (RFC 9457): a type to program by, and a detail to read.

    {"type": "urn:gan:problem:overloaded", "title": "The server is busy", "status": 429,
     "detail": "the queue is full: ask again in 2 s", "request": "9f86d081884c7d65"}

What a client did wrong is told in words. Of what went wrong inside only the number of the request is told,
under which the reason stands on the server's stderr: it may name files.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gan.errors import UsageError, UserError
from gan.jobs.serving.batch_work import Full
from gan.jobs.serving.batching import Closed, Expired, Overloaded
from gan.jobs.serving.hooks import Undecided
from gan.jobs.serving.inputs import Refused
from gan.jobs.serving.keys import Denied
from gan.jobs.serving.quotas import TooMany
from gan.jobs.serving.service import Forbidden

MEDIA = "application/problem+json"
SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "request"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request": {"type": "string", "description": "Number of the request in the server's logs."},
        "errors": {
            "type": "array",
            "description": "Of a malformed request: where, and what is wrong there.",
            "items": {"type": "object", "properties": {"at": {"type": "string"}, "text": {"type": "string"}}},
        },
    },
}


class Blocked(UserError):
    """Every image that was asked for was held back by a filter."""


class Gone(Exception):
    """The client left."""


class Kind(NamedTuple):
    """status, last part of the type, and title."""

    status: int
    name: str
    title: str


# The first class that an error is an instance of counts.
KINDS: dict[type[Exception], Kind] = {
    Denied: Kind(401, "denied", "No valid API key"),
    Forbidden: Kind(403, "forbidden", "The key may not do this"),
    Refused: Kind(403, "refused", "Not made here"),
    Blocked: Kind(403, "blocked", "Held back by a filter"),
    TooMany: Kind(429, "too-many", "The key has used up what it may ask for"),
    Overloaded: Kind(429, "overloaded", "The server is busy"),
    Undecided: Kind(503, "undecided", "The request could not be checked"),
    Full: Kind(503, "full", "No room for more batches"),
    Closed: Kind(503, "ending", "The server is ending"),
    Expired: Kind(504, "deadline", "Not made in time"),
    UsageError: Kind(422, "invalid", "The request does not fit"),
    UserError: Kind(503, "unavailable", "The server cannot do this now"),
    Exception: Kind(500, "internal", "An error of the server"),
}
STATUSES = {
    400: "invalid",
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    409: "not-ready",
    413: "too-large",
    422: "invalid",
}
_INSIDE = ("unavailable", "internal")  # whose details stay here


class Answer(NamedTuple):
    """What to send."""

    status: int
    headers: dict[str, str]
    body: bytes


def of_error(error: Exception, request: str) -> Answer:
    """The document of an error; of one from inside the reason goes to stderr."""
    kind = next(kind for cls, kind in KINDS.items() if isinstance(error, cls))
    headers, detail = {}, str(error)
    if kind.name in _INSIDE:
        print(f"gan: request {request}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        detail = f"the operator finds the reason under request {request}"
    if kind.status == 401:
        headers["www-authenticate"] = "Bearer"
    if kind.status in (429, 503):
        headers["retry-after"] = str(getattr(error, "retry_after", 5))
    return document(kind, detail, request, headers)


def of_status(status: int, detail: str, request: str, headers: Mapping[str, str] | None = None) -> Answer:
    """The document of a status of HTTP that no error stands for."""
    name = STATUSES.get(status, "http")
    return document(Kind(status, name, name.replace("-", " ").capitalize()), detail, request, headers or {})


def of_faults(faults: Sequence[Mapping[str, Any]], request: str) -> Answer:
    """The document of a malformed body, from what pydantic says of it; values are not repeated."""
    errors = [{"at": _at(fault["loc"][1:]), "text": str(fault["msg"])[:300]} for fault in faults[:20]]
    first = errors[0] if errors else {"at": "", "text": "it cannot be read"}
    detail = f"{first['at'] or 'the body'}: {first['text']}"
    return document(Kind(422, "invalid", "The request does not fit"), detail, request, {}, errors)


def _at(parts: Sequence[Any]) -> str:
    """seeds.0 of ("seeds", 0); nothing of the place in a text that is no JSON."""
    return ".".join(str(part)[:100] for part in parts) if parts and isinstance(parts[0], str) else ""


def document(
    kind: Kind,
    detail: str,
    request: str,
    headers: Mapping[str, str],
    errors: Sequence[Mapping[str, str]] = (),
) -> Answer:
    """The document, and the headers that go with it."""
    body: dict[str, Any] = {
        "type": f"urn:gan:problem:{kind.name}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "request": request,
    }
    if errors:
        body["errors"] = list(errors)
    return Answer(kind.status, {"content-type": MEDIA, **headers}, json.dumps(body).encode())
