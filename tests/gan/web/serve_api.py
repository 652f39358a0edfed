"""A service of tiny models, and a client of its API, for the tests of `gan serve`."""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from gan.jobs.serving import keys
from gan.jobs.serving.service import Service
from gan.jobs.serving.settings import ServeConfig


@contextlib.contextmanager
def client_of(
    models: list[Path], state: Path, name: str = "me", **given: Any
) -> Iterator[tuple[Any, Service, str]]:
    """(a client of the API, its service, an attested key), closed at the end.

    name: of the key.  given: settings. Secrets are hashed in no time: what that costs otherwise is pinned in
    tests/gan/jobs/serving/test_keys.py.
    """
    pytest.importorskip("starlette.testclient", reason="the extra serve is not installed")
    pytest.importorskip("prometheus_client", reason="the extra serve is not installed")
    options = {"device": "cpu", "content_filter": "off", "state": str(state), **given}
    with mock.patch.object(keys, "_hash", _hash):
        yield from _client(models, name, options)


def _hash(secret: str, salt: bytes) -> bytes:
    return hashlib.blake2b(secret.encode(), salt=salt[:16], digest_size=32).digest()


def _client(models: list[Path], name: str, options: dict[str, Any]) -> Iterator[tuple[Any, Service, str]]:
    from starlette import testclient

    from gan.web.serve.application import application

    service = Service(ServeConfig(models=tuple(map(str, models)), **options))
    key = service.keys.create(name, terms="1", attested_by="tests", per_minute=10_000, per_day=10_000)
    app = application(service)
    with testclient.TestClient(app, "http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        client.headers["authorization"] = f"Bearer {key}"
        yield client, service, key


def figures_of(client: Any, service: Service) -> str:
    """The text of GET /metrics, read with a new key of an operator."""
    key = service.keys.create(f"figures-{secrets.token_hex(4)}", role="operator")
    answer = client.get("/metrics", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    return answer.text
