"""Runs a page on this machine: until Ctrl-C, or in a thread as long as a block lasts."""

import contextlib
import ipaddress
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from gan.errors import UsageError, UserError, install
from gan.web.shell.guard import Guard

SHORTEST = 16  # characters of a token of the user's own
MAX_MESSAGE = 2**16  # bytes of a message from a tab
GRACE = 3  # seconds that requests at work have to end in


def loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_for(host: str, token: str | None) -> str:
    """The token of a page: the one given, or a random one where only this machine can knock.

    Raises UsageError for other hosts without one, for a short one, and for one that no address can hold.
    """
    if token is None:
        if not loopback(host):
            raise UsageError(
                f"--host {host} opens this page to the network: choose a token for it, for example"
                f" --token {secrets.token_urlsafe(18)}, and send it over HTTPS or SSH alone"
            )
        return secrets.token_urlsafe(24)
    if len(token) < SHORTEST or not all(c.isascii() and (c.isalnum() or c in "-_.~") for c in token):
        raise UsageError(
            f"--token needs {SHORTEST} or more letters, digits or any of -_.~,"
            f" for example {secrets.token_urlsafe(18)}"
        )
    return token


def address(host: str, port: int, token: str) -> str:
    """What to open in a browser."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/?token={token}"


def serve(
    app: Guard,
    host: str,
    port: int,
    say: Callable[[str], object] = print,
    max_message: int = MAX_MESSAGE,
) -> None:
    """Serve until Ctrl-C, and end then without an error; `say` gets the address first.

    port: 0 for a free one. max_message: bytes of a message from a tab. Raises UserError where the port is
    taken, the host is not of this machine, or the extra `web` is missing.
    """
    server = _server(app, max_message)
    with listening(host, port) as listener:
        say(address(host, listener.getsockname()[1], app.token))
        with contextlib.suppress(KeyboardInterrupt):  # how it is ended; uvicorn has closed all by then
            server.run(sockets=[listener])


@contextlib.contextmanager
def served(
    app: Guard, host: str, port: int, say: Callable[[str], object], failed: Callable[[BaseException], object]
) -> Iterator[None]:
    """Serve in a thread until the block ends; `say` gets the address first, `failed` what ends it before.

    Raises UserError as `serve` does.
    """
    server = _server(app, MAX_MESSAGE)

    def run() -> None:
        try:
            server.run(sockets=[listener])
        except (Exception, SystemExit) as error:
            failed(error)

    with listening(host, port) as listener:
        say(address(host, listener.getsockname()[1], app.token))
        thread = threading.Thread(target=run, name="page", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(2 * GRACE)


def _server(app: Guard, max_message: int) -> Any:
    """Of uvicorn. UserError where the extra `web` is missing."""
    try:
        import uvicorn
    except ImportError as error:
        raise UserError(f"a page needs the package uvicorn; {install('web')}") from error

    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=max_message,
        ws_per_message_deflate=False,  # messages are small, or pictures that are compressed already
        timeout_graceful_shutdown=GRACE,
    )
    return uvicorn.Server(config)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there, port 0 for a free one. UserError where it cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except socket.gaierror as error:
        raise UserError(f"there is no host {host}: choose another --host, such as 127.0.0.1") from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(
            f"cannot open {host}:{port}: {reason}; choose another --port, or 0 for a free one"
        ) from error
