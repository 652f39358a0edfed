"""What a client writes makes no header of an answer, and the server answers the next."""

import pytest

from tests.gan.runs import write_run
from tests.gan.web.serve_api import client_of


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
