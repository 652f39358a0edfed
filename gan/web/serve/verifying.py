"""POST /v1/verify: is this picture ours?

The body is the picture itself. It is larger than other bodies, so that it is read only for a key that is
known and within its rate, a few at a time, and looked at in threads of its own.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from gan.jobs.serving.batching import Overloaded
from gan.jobs.serving.keys import Key
from gan.jobs.serving.service import Service
from gan.jobs.verifying import Verdict
from gan.web.serve import problems
from gan.web.serve.door import Door
from gan.web.serve.edge import whole_body
from gan.web.serve.problems import Gone

MOST = 8  # pictures in memory
_THREADS = 2  # pictures that are looked at: a large one may take a second, and a few hundred MiB
_FORMATS = ("image/png", "image/jpeg", "image/webp", "application/octet-stream")
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ABSENT = {"ours": False, "confidence": None, "facts": {}}
EXAMPLE = {
    "ours": True,
    "confidence": 1.0,
    "format": "png",
    "width": 256,
    "height": 256,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "c2pa": {**_ABSENT, "state": "absent", "text": "no C2PA manifest: saving a picture again removes it"},
    "watermark": {
        "state": "found",
        "text": "our watermark",
        "ours": True,
        "confidence": 1.0,
        "facts": {"model": "9f86", "agreement": 0.98, "error": 1e-12},
    },
    "exact": {**_ABSENT, "state": "absent", "text": "no picture with this file is in the audit log"},
    "metadata": {**_ABSENT, "state": "absent", "text": "no claim of being AI-generated in EXIF or XMP"},
}


def add_verify(app: Any, service: Service, door: Door) -> None:
    """The route, on an application of FastAPI."""
    from fastapi import Depends, Request

    known = Annotated[Key, Depends(door.dependency("verify"))]
    looks = _Looks(service)
    told = {200: {"content": {"application/json": {"example": EXAMPLE}}}, **_documented()}
    asked = {"requestBody": {"required": True, "content": dict.fromkeys(_FORMATS, _BINARY)}}

    @app.post("/v1/verify", responses=told, openapi_extra=asked, tags=["verify"])
    async def verify(request: Request, key: known) -> Verdict:
        """Say whether a picture is ours, by its C2PA signature, its watermark, the log, and what it claims.

        The body is a PNG, JPEG or WebP. Needs any key, and counts as a request of its rate. Each look has a
        state, whether it says "ours", with what confidence, and its reasons. That none says so proves
        nothing: marks can be removed.
        """
        return await looks.verdict(request, key)


class _Looks:
    """Bounded: pictures beyond MOST are refused, and _THREADS at a time are looked at."""

    def __init__(self, service: Service) -> None:
        self._service, self._inside = service, 0
        self._threads = ThreadPoolExecutor(_THREADS, "verify")

    async def verdict(self, request: Any, key: Key) -> Verdict:
        """Raises TooMany, Overloaded, UsageError for what is no picture, Gone."""
        await asyncio.to_thread(self._service.usage.charge, key, 0)
        if self._inside >= MOST:
            raise Overloaded(1)
        self._inside += 1
        try:
            data = await self._body(request)
            loop, number = asyncio.get_running_loop(), request.state.request
            return await loop.run_in_executor(self._threads, self._service.verify, key, data, number)
        finally:
            self._inside -= 1

    async def _body(self, request: Any) -> bytes:
        from starlette.exceptions import HTTPException

        settings = self._service.settings
        most, seconds = settings.max_verify_bytes, settings.body_seconds
        try:
            body = await asyncio.wait_for(whole_body(request.receive, most), seconds)
        except (TimeoutError, asyncio.TimeoutError):
            text = f"the picture did not come whole within {seconds:g} s"
            raise HTTPException(408, text, {"connection": "close"}) from None
        if body is None:
            raise Gone
        if body is False:
            raise HTTPException(413, f"a picture has at most {most:,} bytes here")
        return body


def _documented() -> dict[int, dict[str, Any]]:
    """Problem documents for OpenAPI."""
    content = {problems.MEDIA: {"schema": problems.SCHEMA}}
    statuses = (400, 401, 403, 408, 413, 422, 429, 503)
    return {each: {"content": content, "description": "A problem document (RFC 9457)."} for each in statuses}
