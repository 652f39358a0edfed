"""Routes of the review page: what they answer, refuse, and tell the other tabs."""

import json

import pytest

from gan.web.review.pages import app
from tests.gan.web.conftest import TOKEN

testclient = pytest.importorskip("starlette.testclient", reason="the extra web is not installed")
SOCKET = "ws://127.0.0.1:9000/socket"


@pytest.fixture
def client(review):
    client = testclient.TestClient(app(review, TOKEN), base_url="http://127.0.0.1:9000")
    with client:
        assert client.get("/", params={"token": TOKEN}).status_code == 200
        yield client


def test_the_page_loads_nothing_from_elsewhere(client):
    text = client.get("/").text
    assert "<title>Review of out.zip</title>" in text and "http://" not in text and "https://" not in text
    assert "<script>" not in text and "style=" not in text and "onclick" not in text


def test_files_by_filters(client):
    assert client.get("/api/files").json() == {"numbers": list(range(18)), "total": 18}
    answer = client.get("/api/files", params={"verdict": "drop", "order": "sharpest"}).json()
    assert answer == {"numbers": [15, 14, 13, 12], "total": 4}
    answer = client.get("/api/files", params={"order": "size"})
    assert answer.status_code == 400 and "unknown order 'size'" in answer.json()["error"]


def test_items(client):
    found = client.get("/api/items", params={"numbers": "17,0"}).json()
    assert [item["path"] for item in found] == ["b/ünï <b>.png", "a/000.png"]
    for numbers in ("x", "-1", "99", "1" * 20, ",".join(["1"] * 401)):
        assert client.get("/api/items", params={"numbers": numbers}).status_code == 400, numbers
    assert client.get("/api/items").json() == []


def test_pictures(client):
    answer = client.get("/picture/0/small")
    assert answer.headers["content-type"] == "image/webp" and "max-age" in answer.headers["cache-control"]
    answer = client.get("/picture/14/small")
    assert answer.headers["content-type"].startswith("image/svg+xml") and "ends early" in answer.text
    for path in ("/picture/99/small", "/picture/0/huge"):
        assert client.get(path).status_code == 400
    assert client.get("/picture/x/small").status_code == 404


def test_a_decision_is_told_to_every_tab(client, review):
    with client.websocket_connect(SOCKET) as tab:
        answer = client.post("/api/decisions", json={"number": 2, "decision": "drop"})
        assert answer.json()["item"]["verdict"] == "drop"
        assert tab.receive_json() == answer.json()
    (line,) = (review.work.path / "decisions.jsonl").read_text().splitlines()
    assert json.loads(line)["path"] == "a/002.png"


def test_an_undo_of_what_does_not_hold(client):
    serial = client.post("/api/decisions", json={"number": 2, "decision": "drop"}).json()["item"]["serial"]
    client.post("/api/decisions", json={"number": 2, "decision": "keep"})
    answer = client.post("/api/decisions", json={"number": 2, "decision": "undo", "of": serial})
    assert answer.status_code == 409 and answer.json()["item"]["fate"] == "keep"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[" * 9000,
        b'{"number": "2", "decision": "drop"}',
        b'{"number": true, "decision": "drop"}',
        b'{"number": 99, "decision": "drop"}',
        b'{"number": 2, "decision": "eat"}',
        b'{"number": 2, "decision": "relabel"}',
        b'{"number": 2, "decision": "relabel", "label": 3}',
        b'{"number": 2, "decision": "undo", "of": "x"}',
        b'{"number": 14, "decision": "keep"}',
        b"\xff\xfe",
    ],
)
def test_malformed_decisions(client, review, body):
    answer = client.post("/api/decisions", content=body)
    assert answer.status_code == 400 and answer.json()["error"]
    assert review.decided() == [] and client.get("/").status_code == 200


def test_a_large_decision(client):
    assert client.post("/api/decisions", content=bytes(2**14 + 1)).status_code == 413


def test_decisions_by_post_alone(client):
    assert client.get("/api/decisions", params={"number": 2, "decision": "drop"}).status_code == 405
