"""Requests that nobody sends by mistake: fuzzed, made up from the OpenAPI document, and with headers in them.

Whatever comes, the answer is one that the document knows, none is 500, and the server answers the next.
"""

import importlib
import json
import random

import pytest

from tests.gan.runs import write_run
from tests.gan.web.serve_api import client_of

BOUND = 25  # requests of each route


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("runs") / "plain", ("cat", "dog"))
    plain = {"c2pa": "off", "watermark": "off", "deadline_seconds": 600}
    with client_of([run], tmp_path_factory.mktemp("state"), **plain) as found:
        yield found


@pytest.fixture
def client(api):
    yield api[0]
    assert api[0].get("/healthz").status_code == 200
    assert api[0].post("/v1/images", json={"seeds": [7]}).status_code == 200


def checked(answer):
    """No answer tells of the inside, and errors are problem documents."""
    assert answer.status_code < 500, answer.text
    assert "x-request-id" in answer.headers and "Traceback" not in answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


VALID = {"seeds": [7], "psi": 0.7, "format": "zip", "class": "cat", "size": 64, "file_format": "webp"}
ODD = [None, True, -1, 2**63, 1e308, float("nan"), "", "\x00", "\r\nX-Evil: 1", "../../etc/passwd"]
ODD += [[], {}, [[]], [7] * 99, {"a": {"b": []}}, "7", 7.5, "\ud800", "a" * 3000]


def test_bodies_with_odd_values(client):
    """Each value of a request in turn, and of several at once, takes each odd form."""
    draw = random.Random(0)
    for value in ODD:
        for names in [[name] for name in VALID] + [draw.sample(list(VALID), 3), ["nobody knows"]]:
            body = json.dumps(VALID | dict.fromkeys(names, value)).encode()
            checked(client.post("/v1/images", content=body, headers={"content-type": "application/json"}))


def test_bodies_of_noise(client):
    """Bytes that are no JSON, JSON with bytes changed, and JSON that goes deep or is cut."""
    draw, whole = random.Random(1), json.dumps(VALID).encode()
    bodies = [draw.randbytes(draw.randrange(200)) for _ in range(20)]
    for _ in range(40):
        changed = bytearray(whole)
        changed[draw.randrange(len(whole))] = draw.randrange(256)
        bodies.append(bytes(changed))
    bodies += [whole[:size] for size in range(0, len(whole), 7)]
    bodies += [b"[" * 30_000, b'{"a":' * 10_000, b"9" * 5000, b'{"seeds":[' + b"9" * 5000 + b"]}"]
    for body in bodies:
        for kind in ("application/json", "text/plain", "application/json; charset=utf-16", ""):
            checked(client.post("/v1/images", content=body, headers={"content-type": kind}))
        checked(client.post("/v1/verify", content=body))


INJECTED = ["\r\nX-Evil: 1", "%0d%0aX-Evil:%201", "a\nSet-Cookie: a=b", "\x00", "ü", "\u2028X-Evil: 1"]


@pytest.mark.parametrize("value", INJECTED)
def test_no_header_is_made_of_what_a_client_wrote(client, value):
    answers = [client.post("/v1/images", json={"seeds": [7], name: value}) for name in ("model", "class")]
    answers.append(
        client.get("/v1/batches/" + value.replace("\r", "%0d").replace("\n", "%0a").replace("\0", "%00"))
    )
    answers.append(
        client.get("/v1/models", headers={"x-request-id": value.encode("utf-8").replace(b"\0", b"")})
    )
    for answer in answers:
        checked(answer)
        assert not {"x-evil", "set-cookie"} & {name.lower() for name in answer.headers}
        assert len(answer.headers["x-request-id"]) == 16  # the server's own
        assert all("Evil" not in text for text in answer.headers.values())


@pytest.mark.slow
def test_schemathesis(api):
    """Requests made from the document, valid and not: every answer has a status and a body that it knows."""
    schemathesis = pytest.importorskip("schemathesis", reason="the package schemathesis is not installed")
    hypothesis = importlib.import_module("hypothesis")
    client = api[0]
    document = client.get("/openapi.json").json()
    conform = importlib.import_module("schemathesis.specs.openapi.checks")
    known = [schemathesis.checks.not_a_server_error, conform.status_code_conformance]
    known += [conform.content_type_conformance, conform.response_schema_conformance]
    routes = 0
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation, routes = found.ok(), routes + 1
        wrong = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

        @hypothesis.settings(
            max_examples=BOUND,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(operation.as_strategy() | wrong)
        def ask(case):
            answer = client.request(**request_of(case, client))
            case.validate_response(answer, checks=known)

        ask()
    assert routes == sum(len(path) for path in document["paths"].values())


def request_of(case, client):
    """What httpx sends for a case."""
    sent = case.as_transport_kwargs(base_url="http://127.0.0.1:8000")
    data = sent.get("data")
    body = {"json": sent["json"]} if "json" in sent else {"content": data} if data is not None else {}
    headers = {**sent.get("headers", {}), "authorization": client.headers["authorization"]}
    return {key: sent.get(key) for key in ("method", "url", "params")} | {"headers": headers, **body}
