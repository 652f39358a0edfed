"""Who may talk to a page: a layer of ASGI around any application, without a package of its own.

A page on this machine can be reached by every other page that the browser shows, and by every process here.
So a request needs

- the secret token, once in the address, from then on in a cookie (compared in constant time),
- a Host that is an address, localhost or the name given: else a site of a stranger could take the name of
  this machine by its DNS and read what the page says (DNS rebinding),
- on sockets, and where something is changed, the Origin of this very page where a browser names one,
- a body of bounded size.

Responses forbid scripts and styles but the page's own files, frames, sniffing of types and referrers.
Cookies do not tell ports apart: other servers on this machine see the token of who visits them.
"""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY = 2**20  # bytes of a request
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
SAFE = ("GET", "HEAD", "OPTIONS")  # methods that change nothing
_DENIED = "<!doctype html><html lang=en><meta charset=utf-8><title>{0}</title><h1>{0}</h1><p>{1}"


class Guard:
    """`app` behind the rules above.

    token: not empty.  names: hosts that are allowed beside addresses and localhost.
    max_body: bytes of a request that is read.
    """

    def __init__(self, app: Any, token: str, names: Iterable[str] = (), max_body: int = MAX_BODY) -> None:
        if not token:
            raise ValueError("a page needs a token")
        self.app, self.token, self.max_body = app, token, max_body
        self._names = {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if denied := self._denied(scope, headers):
            await _deny(scope, receive, send, *denied)
        elif scope.get("method") in SAFE and self._knows(_query(scope).get("token")):
            await self._welcome(scope, send)
        elif not self._knows(_cookie(scope, headers)):
            text = "This page opens with the address that the command printed, which ends in a token."
            await _deny(scope, receive, send, 401, text)
        elif scope["type"] == "websocket":
            await self.app(scope, receive, send)
        elif _length(headers) > self.max_body:
            await _deny(scope, receive, send, 413, self._too_large)
        else:
            await self._bounded(scope, receive, _with_headers(send))

    def _denied(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and reason where host or origin are wrong."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._named(host):
            return 421, "This page does not go by that name: open the address that the command printed."
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE
        if changes and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "Another site asked for this."
        return None

    def _named(self, host: str) -> bool:
        """Whether a Host header names this machine: an address cannot be taken over by DNS."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
            if name in self._names:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _knows(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), self.token.encode())

    async def _welcome(self, scope: Scope, send: Send) -> None:
        """The token goes into a cookie and out of the address, which is shown, kept and copied."""
        rest = urlencode({key: value for key, value in _query(scope).items() if key != "token"})
        place = "/" + quote(scope["path"].lstrip("/")) + (f"?{rest}" if rest else "")
        cookie = f"{cookie_name(scope)}={self.token}; Path=/; HttpOnly; SameSite=Lax"
        await _respond(_with_headers(send), 303, b"", {"location": place, "set-cookie": cookie})

    @property
    def _too_large(self) -> str:
        return f"The request is larger than {self.max_body:,} bytes."

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, with a body that ends it where it is longer than it was said to be."""
        seen, over = 0, False

        async def counted() -> MutableMapping[str, Any]:
            nonlocal seen, over
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_body and not over:
                over = True
                await _respond(send, 413, self._too_large.encode(), {"connection": "close"})
            return {"type": "http.disconnect"} if over else message

        async def unless_over(message: MutableMapping[str, Any]) -> None:
            if not over:
                await send(message)

        try:
            await self.app(scope, counted, unless_over)
        except Exception:
            if not over:  # else it is about the body that was cut off
                raise


def cookie_name(scope: Scope) -> str:
    """Name of the cookie with the token: one a port, so that two pages do not lock each other out."""
    return f"gan-{(scope.get('server') or ('', 0))[1]}"


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))


def _cookie(scope: Scope, headers: dict[str, str]) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(cookie_name(scope))
    except CookieError:
        return None
    return found and found.value


def _length(headers: dict[str, str]) -> int:
    """Bytes of the body by its header; 0 where none is told, and then they are counted."""
    told = headers.get("content-length", "0")
    return int(told) if told.isascii() and told.isdigit() else 0


def _with_headers(send: Send) -> Send:
    """`send` with HEADERS, where the application has not set its own."""

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", []))
            names = {name.lower() for name, _ in own}
            more = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in names]
            message = {**message, "headers": own + more}
        await send(message)

    return sent


async def _deny(scope: Scope, receive: Receive, send: Send, status: int, text: str) -> None:
    """A page with the reason, or no socket."""
    if scope["type"] == "websocket":
        await receive()  # websocket.connect; a close before accept is answered 403
        await send({"type": "websocket.close", "code": 1008})
        return
    titles = {401: "No token", 403: "Refused", 413: "Too large", 421: "Wrong name"}
    body = _DENIED.format(titles[status], text).encode()
    await _respond(_with_headers(send), status, body, {"content-type": "text/html; charset=utf-8"})


async def _respond(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    pairs = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
    pairs.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
