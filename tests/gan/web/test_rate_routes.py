"""Routes of the rating page: who may answer as whom, what a browser learns, what is refused."""

import pytest

from gan.jobs.rating_answers import Answers
from gan.web.rate.pages import app, rate
from tests.gan.jobs.rating_studies import study
from tests.gan.web.conftest import TOKEN

testclient = pytest.importorskip("starlette.testclient", reason="the extra web is not installed")


@pytest.fixture
def made(tmp_path):
    return study(tmp_path, "pairs", raters=2)


@pytest.fixture
def client(made):
    client = testclient.TestClient(app(Answers(made), TOKEN), base_url="http://127.0.0.1:9000")
    with client:
        client.get("/", params={"token": TOKEN})
        yield client


def home(made, rater=0):
    return f"/as/{list(made.keys)[rater]}"


def test_the_page_loads_nothing_from_elsewhere(client, made):
    text = client.get(home(made)).text
    assert "<title>Look and say</title>" in text and "http://" not in text and "https://" not in text
    assert "<script>" not in text and "style=" not in text and "onclick" not in text


def test_nothing_tells_which_source_a_picture_is_of(client, made):
    """Neither names nor numbers of sources and pictures are in anything that a rater gets."""
    got = [client.get(home(made)), client.get(f"{home(made)}/state")]
    for trial in range(13):
        got += [client.get(f"{home(made)}/picture/{trial}/{side}") for side in (0, 1)]
        got.append(client.post(f"{home(made)}/answers", json={"trial": trial, "answer": "tie", "ms": 5}))
    got.append(client.post(f"{home(made)}/undo", json={"trial": 12}))
    assert all(answer.status_code == 200 for answer in got)
    for answer in got:
        seen = answer.content + str(dict(answer.headers)).encode()
        assert not any(
            word in seen for word in (b"alpha", b"beta", b'"source', b"spoiled", b"tEXt", b"000.png")
        )
        if answer.headers["content-type"] == "application/json":
            keys = {"kind", "limit", "total", "done", "trial", "after", "seen", "last"}
            assert set(answer.json()) == keys


def test_raters_have_links_of_their_own(client, made):
    body = {"trial": 0, "answer": "left", "ms": 5}
    assert client.post(f"{home(made, 0)}/answers", json=body).json()["done"] == 1
    assert client.get(f"{home(made, 1)}/state").json()["done"] == 0
    for path in ("/as/x", "/as/x/state", "/as/x/picture/0/0", "/as/"):
        assert client.get(path).status_code == 404
    assert client.post("/as/x/answers", json=body).status_code == 404


def test_nothing_without_the_token(made):
    with testclient.TestClient(app(Answers(made), TOKEN), base_url="http://127.0.0.1:9000") as stranger:
        for path in (home(made), f"{home(made)}/state", f"{home(made)}/picture/0/0"):
            assert stranger.get(path).status_code == 401


def test_another_tab_has_gone_on(client, made):
    body = {"trial": 0, "answer": "left", "ms": 5}
    client.post(f"{home(made)}/answers", json=body)
    answer = client.post(f"{home(made)}/answers", json=body)
    assert answer.status_code == 409 and answer.json()["state"]["trial"] == 1
    answer = client.post(f"{home(made)}/undo", json={"trial": 3})
    assert answer.status_code == 409 and answer.json()["state"]["last"] == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"[" * 3000, b'{"trial": 0, "answer": "left"}', b'{"trial": "0", "answer": "left", "ms": 1}']
    + [b'{"trial": true, "answer": "left", "ms": 1}', b'{"trial": 0, "answer": "up", "ms": 1}']
    + [b'{"trial": 0, "answer": "left", "ms": 1e3}', b'{"trial": 0, "answer": {"a": []}, "ms": 1}'],
)
def test_malformed_answers(client, made, body):
    answer = client.post(f"{home(made)}/answers", content=body)
    assert answer.status_code == 400 and answer.json()["error"]
    assert not (made.path / "answers.jsonl").exists()


def test_large_bodies_and_wrong_pictures(client, made):
    assert client.post(f"{home(made)}/answers", content=b" " * 5000).status_code == 413
    for place in ("2/0", "0/2", "99/0"):
        answer = client.get(f"{home(made)}/picture/{place}")
        assert answer.status_code == 400 and "not to be seen now" in answer.json()["error"]
    assert client.get(f"{home(made)}/picture/x/0").status_code == 404


def test_a_link_for_each_rater(made, monkeypatch):
    from gan.jobs.rating import Asked
    from gan.web.rate import pages

    said = []

    def served(app, host, port, say):
        Answers(made).answer(1, 0, "tie", 5)
        say("http://127.0.0.1:8123/?token=abc")

    monkeypatch.setattr(pages, "serve", served)
    found, count = rate(Asked(places=(made.path,)), say=said.append)
    assert said == [f"http://127.0.0.1:8123/as/{key}?token=abc" for key in made.keys]
    assert found.path == made.path and count == 0  # counted by its own reading of the log
