"""Runs the API until SIGTERM or Ctrl-C, and then finishes what was accepted."""

import contextlib
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gan.errors import UserError, install
from gan.files import refusal
from gan.jobs.serving.replicas import RayEngine
from gan.jobs.serving.service import Service
from gan.jobs.serving.settings import ServeConfig
from gan.web.serve.application import application
from gan.web.serve.descriptors import make_room
from gan.web.serve.patience import patient
from gan.web.serve.workers import run_workers
from gan.web.shell.serving import listening, loopback

_KEEP_ALIVE = 5  # seconds that an idle connection stays


def run(settings: ServeConfig, say: Callable[[str], object] = print) -> None:
    """Serve until it is ended; `say` gets the address first.

    Raises UserError where the port is taken, a file of TLS cannot be used, or the extra `serve` is missing.
    """
    try:
        import httptools  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise UserError(f"serving needs the package {error.name}; {install('serve')}") from error

    _check(settings)
    make_room(settings.max_connections)
    with listening(settings.host, settings.port) as listener:
        here = address(settings, listener.getsockname()[1])
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn has ended all by then
            if settings.workers > 1 and settings.ray is None:
                run_workers(settings, _options(settings), listener, lambda: say(here))
                return
            service = _service(settings)
            try:
                config = uvicorn.Config(application(service), **_options(settings))
                config.load()
            except BaseException:
                service.close()
                raise
            say(here)
            uvicorn.Server(config).run(sockets=[listener])


def _service(settings: ServeConfig) -> Service:
    """With the engine that the settings name."""
    if settings.ray is None:
        return Service(settings)
    engine = RayEngine(settings)
    try:
        return Service(settings, engine)
    except BaseException:
        engine.close()
        raise


def _options(settings: ServeConfig) -> dict[str, Any]:
    """Of uvicorn.Config."""
    return {
        "log_level": "error",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "ssl_certfile": settings.tls_certificate,
        "ssl_keyfile": settings.tls_private_key,
        "timeout_keep_alive": _KEEP_ALIVE,
        "timeout_graceful_shutdown": int(settings.deadline_seconds) + 1,
        "http": patient(settings.body_seconds, settings.max_connections),
    }


def address(settings: ServeConfig, port: int) -> str:
    """Where the API is, as seen from this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    scheme = "http" if settings.tls_certificate is None else "https"
    return f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{port}"


def _check(settings: ServeConfig) -> None:
    """UserError for a file of TLS that cannot be read; a warning where keys travel in the open."""
    for name in (settings.tls_certificate, settings.tls_private_key):
        if name is not None:
            try:
                Path(name).open("rb").close()
            except OSError as error:
                raise UserError(refusal("read", name, error)) from error
    if settings.tls_certificate is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                settings.tls_certificate, settings.tls_private_key, password=str
            )
        except OSError as error:
            raise UserError(f"TLS cannot start with {settings.tls_certificate} ({error})") from error
    if settings.tls_certificate is None and not loopback(settings.host):
        warnings.warn(
            f"{settings.host} opens this API to the network without TLS, and keys can be read on the way: set"
            " tls_certificate and tls_private_key, or put a proxy with TLS before it",
            stacklevel=3,
        )
