"""Who may ask what: keys, attestation, quotas, bodies, headers, health, figures, OpenAPI."""

import asyncio
import random
import time

import pytest

from gan.jobs.serving import keys as keys_module
from gan.jobs.serving.batching import Overloaded
from gan.jobs.serving.orders import Order
from gan.jobs.serving.service import Forbidden
from gan.jobs.serving.settings import ServeConfig
from gan.web.serve.door import MOST, Door
from gan.web.serve.edge import Edge
from tests.gan.runs import write_run
from tests.gan.web.serve_api import client_of, figures_of
from tests.gan.web.test_serve_images import problem


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "plain")


@pytest.fixture
def api(run, tmp_path):
    with client_of([run], tmp_path, max_body_bytes=500) as found:
        yield found


def bearer(key):
    return {"authorization": f"Bearer {key}"}


PROTECTED = [
    ("POST", "/v1/images"),
    ("POST", "/v1/batches"),
    ("GET", "/v1/models"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_nothing_without_a_valid_key(api, method, path):
    client, service, key = api
    del client.headers["authorization"]
    revoked, expired = (
        service.keys.create("revoked", terms="1"),
        service.keys.create("old", terms="1", days=1e-9),
    )
    service.keys.revoke("revoked")
    body = {"json": {"seeds": [1]}} if method == "POST" else {}
    for given in (None, "", "x", key[:-1], key + "x", key.replace("gan_", "GAN_"), revoked, expired):
        headers = {} if given is None else bearer(given)
        answer = client.request(method, path, headers=headers, **body)
        problem(answer, 401, "denied")
        assert answer.headers["www-authenticate"] == "Bearer"
    for headers in ({"authorization": f"Basic {key}"}, {"cookie": f"key={key}"}, {"x-api-key": key}):
        problem(client.request(method, path, headers=headers, **body), 401, "denied")
    problem(client.request(method, f"{path}?key={key}", **body), 401, "denied")
    right = service.keys.create("operator", role="operator") if path == "/metrics" else key
    assert client.request(method, path, headers=bearer(right), **body).is_success


# Role -> status of each of PROTECTED.
ROLES_MAY = {"user": (200, 202, 200, 403), "verifier": (403, 403, 200, 403), "operator": (403, 403, 200, 200)}


def test_every_role_is_tried():
    assert set(ROLES_MAY) == set(keys_module.ROLES)


@pytest.mark.parametrize("role", ROLES_MAY)
def test_what_a_role_may(client, service, role):
    key = bearer(service.keys.create("other", role=role, terms="1", attested_by="tests"))
    for (method, path), status in zip(PROTECTED, ROLES_MAY[role], strict=True):
        body = {"json": {"seeds": [1]}} if method == "POST" else {}
        answer = client.request(method, path, headers=key, **body)
        assert answer.status_code == status, path
        if status == 403:
            assert f"the role {role}" in problem(answer, 403, "forbidden")["detail"]


def test_images_need_the_role_also_behind_the_door(service):
    key = service.keys.verify(service.keys.create("o", role="operator", terms="1", attested_by="tests"))
    with pytest.raises(Forbidden, match="the role operator of this key does not allow images"):
        asyncio.run(service.make(key, Order(model="plain", seeds=(1,)), "r"))


def test_images_need_an_attestation_of_the_terms_that_hold(api, run, tmp_path):
    client, service, _ = api
    plain, old = service.keys.create("plain"), service.keys.create("old", terms="0", attested_by="me")
    for key, words in ((plain, "no attestation"), (old, "agreed to terms 0, not to 1")):
        document = problem(
            client.post("/v1/images", json={"seeds": [1]}, headers=bearer(key)), 403, "forbidden"
        )
        assert words in document["detail"]
        assert client.get("/v1/models", headers=bearer(key)).status_code == 200
    assert service.models.loaded() == []  # nothing was made
    with client_of([run], tmp_path / "other", require_attestation=False) as (client, service, _):
        key = service.keys.create("plain")
        assert client.post("/v1/images", json={"seeds": [1]}, headers=bearer(key)).status_code == 200


def test_rates_and_quotas(client, service):
    fast, small = (
        service.keys.create(n, terms="1", **o) for n, o in (("a", {"per_minute": 2}), ("b", {"per_day": 2}))
    )
    for key, allowed in ((fast, 2), (small, 2)):
        answers = [client.post("/v1/images", json={"seeds": [i]}, headers=bearer(key)) for i in range(3)]
        assert [answer.status_code for answer in answers[:allowed]] == [200] * allowed
        problem(answers[allowed], 429, "too-many")
        assert int(answers[allowed].headers["retry-after"]) >= 1


def test_bodies(client):
    headers = {"content-type": "application/json"}
    problem(client.post("/v1/images", content=b" " * 501, headers=headers), 413, "too-large")
    parts = (b" " * 100 for _ in range(6))  # without a length, counted as they come
    problem(client.post("/v1/images", content=parts, headers=headers), 413, "too-large")
    for text in (b"", b"x{", b"[]", b"null", b'{"seeds": ' + b"[" * 480, b"\xff\xfe", b'{"psi": NaN}'):
        answer = client.post("/v1/images", content=text, headers=headers)
        assert answer.status_code in (400, 422), text
        problem(answer, answer.status_code, "invalid")
    assert client.post("/v1/images", json={"seeds": [1]}).status_code == 200


def junk(rng, depth=0):
    """Any JSON value, the odder the better."""
    odd = [None, True, -1, 0, 2**64, 1e308, -0.0, "", "png", "\r\n", "\0", "\u202e", "x" * 50, [], {}]
    if depth > 2 or rng.random() < 0.6:
        return rng.choice(odd)
    if rng.random() < 0.5:
        return [junk(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    return {str(junk(rng, 3)): junk(rng, depth + 1) for _ in range(rng.randint(0, 4))}


def test_a_body_nested_deep(run, tmp_path):
    deep = [b"[" * 60_000, b"[" * 30_000 + b"]" * 30_000, b'{"seeds":' + b"[" * 9000 + b"]" * 9000 + b"}"]
    with client_of([run], tmp_path) as (client, _, _):
        for text in deep:
            answer = client.post("/v1/images", content=text, headers={"content-type": "application/json"})
            assert answer.status_code in (400, 422)
            problem(answer, answer.status_code, "invalid")


def test_bodies_of_junk_are_answered_in_order(client):
    rng = random.Random(0)
    names = ["model", "seeds", "count", "class", "condition", "psi", "format", "colour"]
    for _ in range(150):
        body = {name: junk(rng) for name in rng.sample(names, rng.randint(1, 4))}
        answer = client.post("/v1/images", json=rng.choice([body, body, body, junk(rng)]))
        assert answer.status_code in (200, 413, 422), (body, answer.text)
    assert client.get("/readyz").status_code == 200


def at_the_edge(receive, **given):
    """Status of the answer to a request whose body `receive` gives; the application must not be reached."""
    sent = []

    async def send(message):
        sent.append(message)

    async def app(scope, receive, send):
        raise AssertionError("it was let in")

    settings = ServeConfig(models=("m",), **given)
    scope = {"type": "http", "method": "POST", "path": "/v1/images", "headers": []}
    asyncio.run(Edge(app, settings, lambda *_: None)(scope, receive, send))
    return sent[0]["status"]


def test_a_body_that_does_not_come():
    async def never():
        await asyncio.sleep(60)

    began = time.monotonic()
    assert at_the_edge(never, body_seconds=0.05) == 408 and time.monotonic() - began < 30


def test_a_body_without_end():
    async def endless():
        await asyncio.sleep(0.001)
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    assert at_the_edge(endless, max_body_bytes=500, body_seconds=10) == 413


def test_headers_of_every_answer(client):
    for answer in (
        client.get("/healthz"),
        client.get("/none"),
        client.post("/v1/images", content=b" " * 501),
    ):
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert len(headers["x-request-id"]) == 16 and "strict-transport-security" not in headers
    mine = client.get("/healthz", headers={"x-request-id": "mine"}).headers["x-request-id"]
    assert mine != "mine"


def test_no_other_origin_is_let_in(client):
    origin = {"origin": "https://evil.example"}
    answer = client.options("/v1/images", headers={**origin, "access-control-request-method": "POST"})
    problem(answer, 405, "method-not-allowed")
    for found in (answer, client.get("/v1/models", headers=origin)):
        assert not [name for name in found.headers if name.startswith("access-control-")]


def test_strict_transport_with_tls(run):
    settings = ServeConfig(models=("m",), tls_certificate="c.pem", tls_private_key="k.pem")
    assert "strict-transport-security" in Edge(None, settings, lambda *_: None)._headers


def test_health_and_models(client, service):
    del client.headers["authorization"]
    assert client.get("/healthz").json() == {"status": "ok"} and client.get("/readyz").json() == {
        "status": "ready"
    }
    key = bearer(service.keys.create("other"))
    told = client.get("/v1/models", headers=key).json()
    assert (told["filters"], told["content_threshold"], told["most_images"]) == ([], 0.8, 16)
    (model,) = told["models"]
    assert model["name"] == "plain" and model["digest"].startswith("sha256:") and not model["loaded"]
    for table in ("usage", "keys"):
        with service._database.transaction() as connection:
            connection.execute(f"ALTER TABLE {table} RENAME TO gone")
        problem(client.get("/readyz"), 503, "unavailable")
        with service._database.transaction() as connection:
            connection.execute(f"ALTER TABLE gone RENAME TO {table}")
    assert client.get("/readyz").status_code == 200


def test_figures_have_no_series_that_clients_make_up(client, service):
    client.get("/none1"), client.get("/none2"), client.post("/v1/images", json={"seeds": [1]})
    text = figures_of(client, service)
    assert 'gan_requests_total{route="other",status="404"} 2.0' in text and "none1" not in text
    assert 'gan_requests_total{route="/v1/images",status="200"} 1.0' in text
    assert 'gan_waiting_images{model="plain"} 0.0' in text and 'gan_model_loaded{model="plain"} 1.0' in text
    assert 'gan_images_total{verdict="allowed"} 1.0' in text


def test_openapi(client):
    document = client.get("/openapi.json").json()
    route = document["paths"]["/v1/images"]["post"]
    for status in ("401", "403", "413", "422", "429", "503", "504"):
        assert list(route["responses"][status]["content"]) == ["application/problem+json"]
    assert route["security"] == [{"HTTPBearer": []}]
    batches = {"/v1/batches", "/v1/batches/{batch}", "/v1/batches/{batch}/images"}
    others = {"/v1/images", "/v1/models", "/v1/verify", "/healthz", "/readyz", "/metrics"}
    assert set(document["paths"]) == batches | others
    assert client.get("/docs").status_code == 404


def test_checks_of_keys_are_bounded(service, monkeypatch):
    """Each of them may cost 50 ms and 16 MiB, and strangers can ask for them."""
    real = keys_module._hash
    monkeypatch.setattr(keys_module, "_hash", lambda *given: time.sleep(0.002) or real(*given))

    async def storm():
        door = Door(service.keys)
        asked = [door.check(f"gan_{'0' * 12}_{'x' * 43}") for _ in range(MOST + 5)]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = [type(error).__name__ for error in asyncio.run(storm())]
    assert found.count("Denied") == MOST and found.count(Overloaded.__name__) == 5
