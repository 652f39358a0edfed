"""POST /v1/images: bytes, headers, marks, verdicts, quotas, overload, cancellation, and the log of it all."""

import asyncio
import hashlib
import io
import json
import shutil
import socket
import threading
import time
import zipfile
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from PIL import Image

from gan.errors import UserError
from gan.jobs.sampling import sample
from gan.jobs.serving import audit as audit_module
from gan.jobs.serving.audit import FILE, verify
from gan.jobs.serving.batching import Overloaded
from gan.jobs.serving.orders import Order
from gan.jobs.serving.service import Service
from gan.jobs.serving.settings import ServeConfig
from gan.web.serve.application import application, unless_gone
from gan.web.serve.problems import Gone
from tests.gan.runs import write_run
from tests.gan.web.conftest import served
from tests.gan.web.serve_api import client_of, figures_of
from training.preparation import hashes

CLASSES = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [write_run(folder / "plain"), write_run(folder / "classes", CLASSES)]


@pytest.fixture
def api(runs, tmp_path):
    with client_of(runs, tmp_path, most_images=5, queue=5) as found:
        yield found


def pixels(data, form="PNG"):
    return torch.from_numpy(np.array(Image.open(io.BytesIO(data), formats=(form,)))).permute(2, 0, 1)


def records(service):
    return [json.loads(line) for line in (service.audit.path).read_text().splitlines()]


def post(client, model="plain", **body):
    return client.post("/v1/images", json={"model": model, **body})


def until(true):
    """Wait for it, half a minute at most."""
    late = time.monotonic() + 30
    while not true():
        assert time.monotonic() < late
        time.sleep(0.005)


def problem(answer, status, name):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["type"] == f"urn:gan:problem:{name}" and document["status"] == status
    assert document["request"] == answer.headers["x-request-id"] and document["title"] and document["detail"]
    return document


def test_an_image_is_that_of_gan_sample(client, runs, service):
    answer = post(client, seeds=[7], psi=0.7)
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    assert torch.equal(pixels(answer.content), sample(runs[0], [7], psi=0.7, device="cpu")[0])
    weights = runs[0] / "checkpoints" / "000012" / "generator.safetensors"
    digest = f"sha256:{hashlib.sha256(weights.read_bytes()).hexdigest()}"
    told = {name: answer.headers[f"x-gan-{name}"] for name in ("model", "model-digest", "seed", "verdict")}
    assert told == {"model": "plain", "model-digest": digest, "seed": "7", "verdict": "allowed"}
    assert digest in Image.open(io.BytesIO(answer.content), formats=("PNG",)).text["Source"]
    assert post(client, seeds=[7], psi=0.7).content == answer.content
    made = records(service)[-1]
    assert made["event"] == "made" and made["name"] == "me" and made["seeds"] == [7] and made["psi"] == 0.7
    assert made["request"] != answer.headers["x-request-id"] and made["verdicts"] == ["allowed"]


@pytest.mark.parametrize(("form", "pillow"), [("webp", "WEBP"), ("jpeg", "JPEG")])
def test_other_formats(client, form, pillow):
    answer = post(client, seeds=[7], format=form)
    assert answer.headers["content-type"] == f"image/{form}" and pixels(answer.content, pillow).shape == (
        3,
        16,
        16,
    )


def test_several_in_a_zip_of_one_class(client, runs):
    answer = post(client, "classes", seeds=[3, 1, 2], format="zip", **{"class": "dog"})
    assert answer.headers["content-type"] == "application/zip" and answer.headers["x-gan-seed"] == "3,1,2"
    direct = sample(runs[1], [3, 1, 2], labels="dog", device="cpu")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        for seed, image in zip((3, 1, 2), direct, strict=True):
            assert torch.equal(pixels(found.read(f"seed{seed:04d}.png")), image)
        manifest = json.loads(found.read("manifest.json"))
    assert manifest["ai_generated"] is True and manifest["model"] == "classes"
    assert [each["seed"] for each in manifest["images"]] == [3, 1, 2]


def test_a_count_draws_seeds_that_can_be_asked_for_again(client):
    answers = [post(client, count=1) for _ in range(3)]
    seeds = {int(answer.headers["x-gan-seed"]) for answer in answers}
    assert len(seeds) == 3
    again = post(client, seeds=[int(answers[0].headers["x-gan-seed"])])
    assert again.content == answers[0].content
    assert len(set(post(client, count=5, format="zip").headers["x-gan-seed"].split(","))) == 5


WRONG = [
    ({"seeds": []}, "seeds"),
    ({"seeds": [-1]}, "seeds.0"),
    ({"seeds": [2**32]}, "seeds.0"),
    ({"seeds": [1.5]}, "seeds.0"),
    ({"seeds": ["1"]}, "seeds.0"),
    ({"seeds": [1, 2, 3, 4, 5, 6], "format": "zip"}, "seeds"),
    ({"seeds": [1], "count": 1}, "give one of them"),
    ({"seeds": [1, 1], "format": "zip"}, "named twice"),
    ({"seeds": [1, 2]}, "format zip"),
    ({"count": 0}, "count"),
    ({"count": 10**30}, "count"),
    ({"psi": "nan"}, "psi"),
    ({"psi": 3}, "psi"),
    ({"format": "bmp"}, "format"),
    ({"colour": "red"}, "colour"),
    ({"class": 0}, "has no classes"),
    ({"class": 0, "condition": [1.0]}, "give that"),
    ({"model": "classes", "class": "cow"}, "unknown class"),
    ({"model": "classes", "class": 3}, "unknown class"),
    ({"model": "classes", "condition": [1.0, 0.0, 0.0]}, "takes a class"),
    ({"model": "none"}, "unknown model"),
    ({"model": None}, "name a model"),
    ({"model": "../plain"}, "unknown model"),
]


@pytest.mark.parametrize(("body", "words"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_what_does_not_fit(client, service, body, words):
    document = problem(post(client, **body), 422, "invalid")
    assert words in document["detail"] or any(words == error["at"] for error in document["errors"])
    assert service.models.waiting("plain") == 0


@pytest.mark.parametrize(
    "evil", ["dog\r\nX-Evil: 1", "dog\nSet-Cookie: a=b", "\u2028x", 'x"}\n{"event": "made"']
)
def test_nothing_is_injected(client, service, evil):
    before = len(records(service))
    for body in ({"class": evil}, {"model": evil}):
        answer = post(client, **{"model": "classes", **body})
        problem(answer, 422, "invalid")
        assert not {"x-evil", "set-cookie"} & set(answer.headers)
    assert len(records(service)) == before + 2  # a line each, whatever was in it
    for half in (b'{"model": "classes", "class": "\\ud800"}', b'{"model": "\\ud800"}'):  # of a surrogate pair
        answer = client.post("/v1/images", content=half, headers={"content-type": "application/json"})
        problem(answer, 422, "invalid")
    assert verify(service.audit.path.parent)[0] == len(records(service))


def test_a_blocked_image_does_not_drop_its_batch(runs, tmp_path):
    image = sample(runs[0], [2], device="cpu")[0].permute(1, 2, 0).numpy()
    (tmp_path / "list.txt").write_text(hashes.exact(np.ascontiguousarray(image)))
    with client_of(runs[:1], tmp_path, blocklist=str(tmp_path / "list.txt")) as (client, service, _):
        answer = client.post("/v1/images", json={"seeds": [1, 2, 3], "format": "zip"})
        assert answer.headers["x-gan-verdict"] == "allowed,blocklist,allowed"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
            assert found.namelist() == ["seed0001.png", "seed0003.png", "manifest.json"]
            verdicts = [each["verdict"] for each in json.loads(found.read("manifest.json"))["images"]]
        assert verdicts == ["allowed", "blocklist", "allowed"]
        problem(client.post("/v1/images", json={"seeds": [2]}), 403, "blocked")
        assert records(service)[-1]["verdicts"] == ["blocklist"]
        metrics = figures_of(client, service)
        assert 'gan_images_total{verdict="blocked"} 2.0' in metrics
        assert 'gan_images_total{verdict="allowed"} 2.0' in metrics


@pytest.fixture
def held(service, monkeypatch):
    """Images are drawn only when the event is set; the first batch waits in the network."""
    free, begun, real = threading.Event(), threading.Event(), service.models._generator

    def waiting(name):
        begun.set()
        assert free.wait(20)
        return real(name)

    monkeypatch.setattr(service.models, "_generator", waiting)
    yield free, begun
    free.set()


def test_overload_is_answered_and_costs_no_quota(client, service, held):
    free, begun = held
    answers = []
    first = threading.Thread(target=lambda: answers.append(post(client, seeds=[0])))
    first.start()
    assert begun.wait(60)
    full = threading.Thread(target=lambda: answers.append(post(client, count=5, format="zip")))
    full.start()
    until(lambda: service.models.waiting("plain") == 5)
    refused = post(client, seeds=[9])
    problem(refused, 429, "overloaded")
    assert int(refused.headers["retry-after"]) >= 1
    free.set()
    first.join(60), full.join(60)
    assert [answer.status_code for answer in answers] == [200, 200]
    (key,) = service.keys.all()
    assert service.usage.used(key) == 6 and records(service)[2]["event"] in ("Overloaded", "made")


def test_a_deadline(runs, tmp_path, monkeypatch):
    with client_of(runs[:1], tmp_path, deadline_seconds=0.05) as (client, service, _):
        free, real = threading.Event(), service.models._generator
        monkeypatch.setattr(service.models, "_generator", lambda name: free.wait(60) and real(name))
        problem(client.post("/v1/images", json={"seeds": [1]}), 504, "deadline")
        free.set()
        (key,) = service.keys.all()
        assert service.usage.used(key) == 0 and records(service)[-1]["event"] == "Expired"


def test_a_client_that_leaves_is_cancelled(service, held, api):
    free, begun = held
    key = service.keys.verify(api[2])

    class Request:
        async def receive(self):
            while service.models.waiting("plain") < 2:
                await asyncio.sleep(0.001)
            return {"type": "http.disconnect"}

    async def leave():
        first = asyncio.ensure_future(service.make(key, Order(model="plain", seeds=(0,)), "first"))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        work = service.make(key, Order(model="plain", seeds=(1, 2), form="zip"), "second")
        with pytest.raises(Gone):
            await unless_gone(Request(), work)
        assert service.models.waiting("plain") == 0
        free.set()
        return await first

    assert len(asyncio.run(leave())) == 1
    events = [(record.get("request"), record["event"]) for record in records(service)]
    assert ("second", "cancelled") in events and ("first", "made") in events


def test_a_client_that_hangs_up_is_cancelled(runs, tmp_path, monkeypatch, caplog):
    """Over TCP, through all layers."""
    service = Service(
        ServeConfig(models=(str(runs[0]),), state=str(tmp_path), device="cpu", content_filter="off")
    )
    key = service.keys.create("me", terms="1", attested_by="tests")
    free, real = threading.Event(), service.models._generator
    monkeypatch.setattr(service.models, "_generator", lambda name: free.wait(60) and real(name))

    def ask(home, body):
        place = urlsplit(home)
        connection = socket.create_connection((place.hostname, place.port), 30)
        head = f"POST /v1/images HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        return connection

    with served(application(service)) as home:
        first = ask(home, b'{"seeds": [0]}')
        until(lambda: service.models._queues["plain"]._thread and not service.models.waiting("plain"))
        second = ask(home, b'{"count": 4, "format": "zip"}')
        until(lambda: service.models.waiting("plain") == 4)
        second.close()
        until(lambda: service.models.waiting("plain") == 0)
        free.set()
        assert first.recv(100).startswith(b"HTTP/1.1 200")
        first.close()
    assert caplog.records == []  # nothing that asyncio complains about


def test_a_model_whose_files_are_gone(tmp_path, capsys):
    run, other = write_run(tmp_path / "gone"), write_run(tmp_path / "here")
    with client_of([run, other], tmp_path / "state") as (client, service, _):
        shutil.rmtree(run)
        answer = post(client, "gone", seeds=[1])
        problem(answer, 503, "unavailable")
        assert str(run) not in answer.text and str(run) in capsys.readouterr().err
        assert service.usage.used(service.keys.all()[0]) == 0
        assert post(client, "here", seeds=[1]).status_code == 200


def test_no_image_leaves_without_its_line_in_the_log(client, service, monkeypatch, capsys):
    def full(self, record):
        raise UserError("cannot write /secret/audit.jsonl: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(audit_module.Audit, "append", full)
        answer = post(client, seeds=[1])
    document = problem(answer, 503, "unavailable")
    assert "secret" not in answer.text and document["request"] in capsys.readouterr().err
    (key,) = service.keys.all()
    assert service.usage.used(key) == 0
    assert post(client, seeds=[1]).status_code == 200


def test_many_clients_at_once_get_their_own(runs, tmp_path):
    """Twice what the queue holds: all are served in the end, each with its own bytes."""
    with client_of(runs[:1], tmp_path, queue=4, most_images=2) as (_, service, key):
        direct = sample(runs[0], list(range(24)), device="cpu")
        known = service.keys.verify(key)

        async def ask(seed):
            while True:
                try:
                    return await service.make(known, Order(model="plain", seeds=(seed,)), f"r{seed}")
                except Overloaded:
                    await asyncio.sleep(0.01)

        async def all_of_them():
            return await asyncio.gather(*map(ask, range(24)))

        for seed, made in enumerate(asyncio.run(all_of_them())):
            assert torch.equal(pixels(made[0].data), direct[seed])
        made = [record["seeds"][0] for record in records(service) if record["event"] == "made"]
        assert sorted(made) == list(range(24))
    assert (tmp_path / FILE).is_file() and verify(tmp_path)[0] == len(records(service))
