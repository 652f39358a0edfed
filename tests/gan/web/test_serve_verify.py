"""POST /v1/verify: whose picture, by which key, how large, how many at once; and images that are signed."""

import asyncio
import hashlib
import http.client
import io
import json
import threading
import time
import zipfile
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from gan.jobs.marking.certificates import create
from gan.jobs.serving.audit import verify
from gan.jobs.serving.service import Service
from gan.jobs.serving.settings import ServeConfig
from gan.jobs.uploads import MOST_BYTES
from gan.jobs.verifying import Verifier
from gan.web.serve.application import application
from gan.web.serve.verifying import EXAMPLE, MOST, _Looks
from tests.gan.jobs.marked import encoded, photograph
from tests.gan.jobs.test_uploads import HOSTILE, png
from tests.gan.runs import write_run
from tests.gan.web.conftest import served
from tests.gan.web.serve_api import client_of
from tests.gan.web.test_serve_images import problem, records

pytest.importorskip("c2pa", reason="the extra marks is not installed")
LARGE = 100_000


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "plain")


@pytest.fixture
def api(run, tmp_path):
    create(tmp_path, "Me")
    with client_of([run], tmp_path, max_body_bytes=500, max_verify_bytes=LARGE, body_seconds=2) as found:
        yield found


def ask(client, data, **options):
    return client.post("/v1/verify", content=data, headers={"content-type": "image/png", **options})


def test_an_image_of_the_server_is_its_own(client, service):
    made = client.post("/v1/images", json={"seeds": [7]})
    assert made.headers["x-gan-signed"] == "true"
    told = ask(client, made.content).json()
    assert told["ours"] and told["confidence"] == 1.0
    assert told["c2pa"]["state"] == "trusted" and told["c2pa"]["facts"]["seed"] == 7
    assert told["exact"]["state"] == "file" and told["exact"]["facts"]["seed"] == 7
    assert told["exact"]["facts"]["digest"] == made.headers["x-gan-model-digest"]
    assert f"sha256:{told['c2pa']['facts']['digest']}" == made.headers["x-gan-model-digest"]
    assert not {"line", "key"} & {*told["exact"]["facts"], *told["watermark"]["facts"]}  # the operator's
    left = records(service)[-2]
    assert left["sha256"] == [hashlib.sha256(made.content).hexdigest()] and left["signed"] == [True]
    looked = records(service)[-1]
    assert (looked["event"], looked["name"], looked["ours"]) == ("verified", "me", True)
    assert looked["sha256"] == told["sha256"] and looked["request"]
    assert verify(service.audit.path.parent)[0] == len(records(service))


def test_its_pixels_are_known_where_it_was_saved_again(client):
    made = client.post("/v1/images", json={"seeds": [8]})
    pixels = np.asarray(Image.open(io.BytesIO(made.content), formats=("PNG",)))
    told = ask(client, encoded(pixels)).json()
    assert (told["c2pa"]["state"], told["exact"]["state"], told["ours"]) == ("absent", "pixels", True)
    told = ask(client, encoded(photograph(32))).json()
    assert (told["exact"]["state"], told["ours"], told["confidence"]) == ("absent", False, None)


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_other_formats_are_signed(client, service, form):
    made = client.post("/v1/images", json={"seeds": [7], "format": form})
    told = ask(client, made.content).json()
    assert (told["format"], told["c2pa"]["state"], told["exact"]["state"]) == (form, "trusted", "file")
    assert records(service)[-2]["pixels"] == [None]  # no such file is saved again without loss


def test_every_file_of_a_zip_is_signed(client):
    answer = client.post("/v1/images", json={"seeds": [3, 4], "format": "zip"})
    assert answer.headers["x-gan-signed"] == "true,true"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        told = json.loads(found.read("manifest.json"))["images"]
        assert [each["signed"] for each in told] == [True, True]
        for seed in (3, 4):
            known = ask(client, found.read(f"seed{seed:04d}.png")).json()
            assert known["c2pa"]["facts"]["seed"] == known["exact"]["facts"]["seed"] == seed


def test_the_same_seed_has_the_same_pixels_when_signed(client):
    first, second = (client.post("/v1/images", json={"seeds": [7]}).content for _ in range(2))
    assert np.array_equal(
        *(np.asarray(Image.open(io.BytesIO(data), formats=("PNG",))) for data in (first, second))
    )


def test_an_image_that_must_be_signed_and_is_not_is_held_back(run, tmp_path, monkeypatch):
    create(tmp_path, "Me")
    with client_of([run], tmp_path, c2pa="on") as (client, service, _):
        monkeypatch.setattr("gan.jobs.marking.manifest._described", lambda *_: {"assertions": 7})
        problem(client.post("/v1/images", json={"seeds": [7]}), 403, "blocked")
        assert records(service)[-1]["verdicts"] == ["signature"]
        assert records(service)[-1]["sha256"] == [None]


def test_without_a_certificate_images_leave_unsigned(run, tmp_path):
    with client_of([run], tmp_path) as (client, service, _):
        made = client.post("/v1/images", json={"seeds": [7]})
        assert made.headers["x-gan-signed"] == "false" and records(service)[-1]["signed"] == [False]
        told = ask(client, made.content).json()
        assert (told["c2pa"]["state"], told["exact"]["state"]) == ("absent", "file")


def test_hostile_files_are_refused_in_one_line(client):
    small = {kind: data for kind, data in HOSTILE.items() if len(data) <= LARGE}
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a.png", bytes(2**26))
    small |= {"zip bomb": bomb.getvalue(), "png of 100000 x 100000": png(100_000, 100_000)}
    assert {"png that claims 65535 x 65535", "zip", "svg", "text", "jpeg cut in its pixels"} <= set(small)
    for kind, data in small.items():
        document = problem(ask(client, data), 422, "invalid")
        assert "\n" not in document["detail"], kind


def test_sizes(client, service):
    picture = encoded(photograph(64))
    assert len(picture) > 500 and ask(client, picture).status_code == 200
    problem(ask(client, bytes(LARGE + 1)), 413, "too-large")
    parts = (bytes(20_000) for _ in range(7))  # without a length, counted as they come
    problem(ask(client, parts), 413, "too-large")
    problem(client.post("/v1/images", content=bytes(501)), 413, "too-large")
    assert service.settings.max_verify_bytes < MOST_BYTES


def test_who_sends_too_much_hears_why(run, tmp_path):
    """Over TCP: the connection stays, or the answer would be lost with what is still on the way."""
    settings = ServeConfig(
        models=(str(run),), state=str(tmp_path), device="cpu", content_filter="off", max_verify_bytes=LARGE
    )
    service = Service(settings)
    key = service.keys.create("me")
    with served(application(service)) as home:
        connection = http.client.HTTPConnection(urlsplit(home).netloc, timeout=60)
        for given, status in ((key, 413), ("x", 401), (key, 413)):
            connection.request("POST", "/v1/verify", bytes(2**22), {"authorization": f"Bearer {given}"})
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["status"]) == (status, status)
        connection.close()


def test_any_key_may_ask_within_its_rate(api):
    client, service, key = api
    for given in ("x", key[:-1] + "!"):
        problem(ask(client, bytes(2000), authorization=f"Bearer {given}"), 401, "denied")
    slow = service.keys.create("slow", per_minute=2)  # no attestation: any key may ask
    answers = [ask(client, encoded(photograph(32)), authorization=f"Bearer {slow}") for _ in range(3)]
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    problem(answers[2], 429, "too-many")
    assert service.usage.used(service.keys.verify(slow)) == 0  # requests, and no images


def test_a_body_is_read_for_a_known_key_alone(service):
    """Straight at the edge: a stranger's body is never asked for."""
    sent = []

    async def receive():
        raise AssertionError("the body was asked for")

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/verify", "raw_path": b"/v1/verify"}
    scope |= {"headers": [(b"authorization", b"Bearer x")], "query_string": b"", "root_path": ""}
    scope |= {
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 9),
        "http_version": "1.1",
    }
    asyncio.run(application(service)(scope, receive, send))
    assert sent[0]["status"] == 401


class Request:
    """Gives `messages`, then waits."""

    def __init__(self, *messages):
        self.messages = list(messages)
        self.state = type("State", (), {"request": "r"})

    async def receive(self):
        if self.messages:
            return self.messages.pop(0)
        await asyncio.sleep(60)


def test_a_picture_that_does_not_come(service):
    from starlette.exceptions import HTTPException

    (key,) = service.keys.all()
    began = time.monotonic()
    with pytest.raises(HTTPException) as late:
        asyncio.run(_Looks(service).verdict(Request(), key))
    assert late.value.status_code == 408 and late.value.headers == {"connection": "close"}
    assert time.monotonic() - began < 30


def test_who_has_left_is_not_looked_at(service):
    from gan.web.serve.problems import Gone

    (key,) = service.keys.all()
    with pytest.raises(Gone):
        asyncio.run(_Looks(service).verdict(Request({"type": "http.disconnect"}), key))


def test_pictures_at_once_are_bounded(service, monkeypatch):
    """Two are looked at, beside the event loop; eight are in memory; the rest is told to come again."""
    free, inside, most = threading.Event(), [], []

    def slow(self, data):
        inside.append(True)
        most.append(len(inside))
        assert free.wait(30)
        inside.pop()
        return real(self, data)

    real = Verifier.verify
    monkeypatch.setattr(Verifier, "verify", slow)
    (key,) = service.keys.all()
    picture = {"type": "http.request", "body": encoded(photograph(32))}

    async def storm():
        looks = _Looks(service)
        asked = [asyncio.ensure_future(looks.verdict(Request(dict(picture)), key)) for _ in range(MOST + 3)]
        while sum(each.done() for each in asked) < 3:
            await asyncio.sleep(0.005)
        free.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    found = [type(each).__name__ for each in asyncio.run(storm())]
    assert found.count("Verdict") == MOST and found.count("Overloaded") == 3 and max(most) <= 2


def test_openapi_says_what_is_answered(client):
    document = client.get("/openapi.json").json()
    route = document["paths"]["/v1/verify"]["post"]
    assert set(route["requestBody"]["content"]) >= {"image/png", "image/jpeg", "image/webp"}
    assert route["security"] == [{"HTTPBearer": []}]
    for status in ("401", "408", "413", "422", "429", "503"):
        assert list(route["responses"][status]["content"]) == ["application/problem+json"]
    example = route["responses"]["200"]["content"]["application/json"]["example"]
    told = ask(client, encoded(photograph(32))).json()
    assert set(example) == set(EXAMPLE) == set(told)
    for name, value in EXAMPLE.items():
        if isinstance(value, dict):
            assert set(value) == set(told[name]) and value["text"] == example[name]["text"]
    schema = route["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert set(document["components"]["schemas"][schema]["properties"]) == set(told)
