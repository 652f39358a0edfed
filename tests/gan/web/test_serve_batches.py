"""Batches over HTTP: their bytes, progress, cancelling, whose they are, restarts, expiry, quotas, turns."""

import dataclasses
import io
import json
import threading
import time
import zipfile

import numpy as np
import pytest
import torch

import gan
from gan.jobs.sampling import sample
from gan.jobs.serving.batching import Wish
from gan.jobs.serving.service import Service
from gan.latents.sefa import sefa
from gan.models import direction_files
from gan.web.serve.schemas import BATCH_EXAMPLES, EXAMPLES
from tests.gan.runs import write_run
from tests.gan.web.serve_api import client_of
from tests.gan.web.test_serve_access import bearer
from tests.gan.web.test_serve_images import pixels, problem, records, until
from training.preparation import hashes


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "plain")


@pytest.fixture
def api(run, tmp_path):
    with client_of([run], tmp_path, queue=5, most_images=5, most_batch_images=50) as found:
        yield found


class Gate:
    """Batches of images are drawn one by one, as the test lets them."""

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting, self.drawn, self._turns = threading.Event(), [], threading.Semaphore(0)
        real = service.models._draw

        def draw(name: str, wishes: list[Wish]) -> list[torch.Tensor]:
            self.waiting.set()
            assert self._turns.acquire(timeout=60)
            self.waiting.clear()
            self.drawn.append([wish.seed for wish in wishes])
            return real(name, wishes)

        for name, queue in service.models._queues.items():
            monkeypatch.setattr(queue, "_draw", lambda wishes, name=name: draw(name, wishes))

    def let(self, turns: int = 1000) -> None:
        self._turns.release(turns)


@pytest.fixture
def gate(service, monkeypatch):
    found = Gate(service, monkeypatch)
    yield found
    found.let()


def begin(client, **body):
    answer = client.post("/v1/batches", json=body)
    assert answer.status_code == 202, answer.text
    place = answer.headers["location"]
    assert place == f"/v1/batches/{answer.json()['id']}"
    return place


def ended(client, place, **headers):
    until(lambda: client.get(place, headers=headers).json()["state"] in ("done", "failed"))
    return client.get(place, headers=headers).json()


def fetched(client, place, **headers):
    answer = client.get(f"{place}/images", headers=headers)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    assert int(answer.headers["content-length"]) == len(answer.content)
    return zipfile.ZipFile(io.BytesIO(answer.content))


def test_forty_images_have_the_bytes_of_direct_calls(client, run, service):
    seeds = list(range(100, 140))
    place = begin(client, seeds=seeds, psi=0.7)
    told = ended(client, place)
    assert (told["state"], told["total"], told["done"], told["blocked"]) == ("done", 40, 40, 0)
    assert told["eta_seconds"] == 0 and told["images"] == f"{place}/images" and told["reason"] is None
    direct = sample(run, seeds, psi=0.7, device="cpu")
    with fetched(client, place) as found:
        assert found.namelist() == [*(f"seed{seed:04d}.png" for seed in seeds), "manifest.json"]
        for seed, image in zip(seeds, direct, strict=True):
            assert torch.equal(pixels(found.read(f"seed{seed:04d}.png")), image)
        alone = client.post("/v1/images", json={"seeds": [seeds[9]], "psi": 0.7}).content
        assert found.read(f"seed{seeds[9]:04d}.png") == alone
        manifest = json.loads(found.read("manifest.json"))
    assert [each["seed"] for each in manifest["images"]] == seeds and manifest["ai_generated"] is True
    number = place.rpartition("/")[2]
    made = [record for record in records(service) if record.get("request") == number]
    assert [record["event"] for record in made] == ["batch accepted"] + ["made"] * 5
    assert [seed for record in made[1:] for seed in record["seeds"]] == seeds
    part = client.get(f"{place}/images", headers={"range": "bytes=0-3"})
    assert part.status_code == 206 and part.content == b"PK\x03\x04"  # a download that broke off goes on


def test_cancelled_in_the_middle(client, service, gate, tmp_path):
    (key,) = service.keys.all()
    place = begin(client, count=40)
    assert service.usage.used(key) == 40  # charged when it is accepted
    for turn in (1, 2):
        gate.let(1)
        until(lambda turn=turn: client.get(place).json()["done"] == 8 * turn)
    until(gate.waiting.is_set)
    told = client.get(place).json()
    assert (told["state"], told["done"], told["total"]) == ("running", 16, 40) and told["eta_seconds"] >= 0
    problem(client.get(f"{place}/images"), 409, "not-ready")
    folder = tmp_path / "batches" / told["id"]
    assert len(list(folder.iterdir())) == 16
    assert client.delete(place).status_code == 204
    assert service.usage.used(key) == 24  # 16 that were done and 8 that were begun stay charged
    for answer in (client.get(place), client.get(f"{place}/images"), client.delete(place)):
        problem(answer, 404, "not-found")
    gate.let()
    assert ended(client, begin(client, count=1))["state"] == "done"  # after what was at work
    assert sum(map(len, gate.drawn)) == 25 and not folder.exists()
    cancelled = next(record for record in records(service) if record["event"] == "batch cancelled")
    assert (cancelled["request"], cancelled["not_begun"]) == (told["id"], 16)


def test_one_that_has_not_begun_costs_nothing(client, service, gate):
    (key,) = service.keys.all()
    first = begin(client, count=8)
    until(gate.waiting.is_set)
    second = begin(client, count=30)
    assert client.get(second).json()["state"] == "waiting" and service.usage.used(key) == 38
    assert client.delete(second).status_code == 204 and service.usage.used(key) == 8
    gate.let()
    assert ended(client, first)["state"] == "done"


def test_another_key_sees_none(client, service):
    place = begin(client, count=3)
    assert ended(client, place)["state"] == "done"
    other = bearer(service.keys.create("other", terms="1", attested_by="tests"))
    unknown = f"/v1/batches/{'0' * 32}"
    for method, path in (("GET", place), ("GET", f"{place}/images"), ("DELETE", place)):
        theirs = problem(client.request(method, path, headers=other), 404, "not-found")
        none = client.request(method, path.replace(place, unknown), headers=other).json()
        assert theirs["detail"] == none["detail"]  # nothing tells that there is one
        problem(client.request(method, path, headers={"authorization": "Bearer x"}), 401, "denied")
    assert client.get(f"{place}/images").status_code == 200
    problem(client.get("/v1/batches/..%2F..%2Fkeys.sqlite"), 404, "not-found")


def test_urgent_images_go_first_and_batches_fill_what_they_leave(client, service, gate):
    place = begin(client, seeds=list(range(100, 124)))
    until(gate.waiting.is_set)
    answers = []
    urgent = threading.Thread(
        target=lambda: answers.append(client.post("/v1/images", json={"seeds": [1, 2, 3], "format": "zip"}))
    )
    urgent.start()
    until(lambda: service.models.waiting("plain") >= 3)
    gate.let(1)  # the batch's first eight, which had begun
    until(lambda: len(gate.drawn) == 1 and gate.waiting.is_set())
    gate.let(1)
    urgent.join(60)
    assert answers[0].status_code == 200 and gate.drawn[1][:3] == [1, 2, 3]
    gate.let()
    assert ended(client, place)["state"] == "done"
    assert sorted(seed for batch in gate.drawn for seed in batch if seed >= 100) == list(range(100, 124))


def test_batches_take_turns(client, gate):
    """A small one does not wait for the end of a large one."""
    large = begin(client, seeds=list(range(100, 140)))
    until(gate.waiting.is_set)
    small = begin(client, seeds=[1, 2], psi=0.5)
    gate.let(2)
    assert ended(client, small)["state"] == "done" and client.get(large).json()["done"] <= 16


def test_a_restart_in_the_middle(run, tmp_path, monkeypatch):
    seeds = list(range(30))
    with client_of([run], tmp_path) as (client, service, key):
        gate = Gate(service, monkeypatch)
        place = begin(client, seeds=seeds, file_format="webp", size=32)
        gate.let(2)
        until(lambda: client.get(place).json()["done"] == 16 and gate.waiting.is_set())
        threading.Timer(0.5, gate.let, (1,)).start()  # what is at work is finished at the end
    with client_of([run], tmp_path, name="again") as (client, service, _):
        assert ended(client, place, **bearer(key))["state"] == "done"
        with fetched(client, place, **bearer(key)) as found:
            for seed in (0, 15, 16, 29):
                body = {"seeds": [seed], "format": "webp", "size": 32}
                assert found.read(f"seed{seed:04d}.webp") == client.post("/v1/images", json=body).content
        made = [record["seeds"] for record in records(service) if record.get("request") == place[-32:]][1:]
        assert [seed for part in made for seed in part] == seeds  # none of them twice


def test_blocked_images_stay(run, tmp_path):
    image = sample(run, [2], device="cpu")[0].permute(1, 2, 0).numpy()
    (tmp_path / "list.txt").write_text(hashes.exact(np.ascontiguousarray(image)))
    with client_of([run], tmp_path, blocklist=str(tmp_path / "list.txt")) as (client, _, _):
        place = begin(client, seeds=[1, 2, 3])
        told = ended(client, place)
        assert (told["state"], told["done"], told["blocked"]) == ("done", 3, 1)
        with fetched(client, place) as found:
            assert found.namelist() == ["seed0001.png", "seed0003.png", "manifest.json"]
            verdicts = [each["verdict"] for each in json.loads(found.read("manifest.json"))["images"]]
        assert verdicts == ["allowed", "blocklist", "allowed"]


def test_what_is_refused(client, service):
    for body in ({"count": 51}, {"seeds": [1, 1]}, {"format": "zip"}, {"class": 1}, {"model": "none"}):
        problem(client.post("/v1/batches", json=body), 422, "invalid")
    plain, small = service.keys.create("plain"), service.keys.create("small", terms="1", per_day=3)
    for key, status, name in ((plain, 403, "forbidden"), (small, 429, "too-many")):
        problem(client.post("/v1/batches", json={"count": 4}, headers=bearer(key)), status, name)
    with service.database.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM batches").fetchone() == (0,)


def test_a_key_that_was_revoked_gets_no_more_images(client, service, gate):
    key = bearer(service.keys.create("short", terms="1", attested_by="tests"))
    place = client.post("/v1/batches", json={"count": 24}, headers=key).headers["location"]
    until(gate.waiting.is_set)
    service.keys.revoke("short")
    gate.let()
    until(lambda: not service.models.waiting("plain") and "finished" in states(service, place))
    assert sum(map(len, gate.drawn)) == 8
    (short,) = [key for key in service.keys.all() if key.name == "short"]
    assert service.usage.used(short) == 8


def states(service, place):
    with service.database.transaction() as connection:
        row = connection.execute("SELECT finished, failed FROM batches WHERE id = ?", (place[-32:],))
        finished, failed = row.fetchone()
    return "finished" if finished and "no longer valid" in failed else ""


def test_the_disk_is_bounded(run, tmp_path, monkeypatch):
    with client_of([run], tmp_path, batch_disk_gib=20_000 / 2**30) as (client, service, _):
        told = ended(client, begin(client, count=40))
        assert told["state"] == "failed" and "disk" in told["reason"] and 8 <= told["done"] < 40
        size = sum(file.stat().st_size for file in (tmp_path / "batches").rglob("*") if file.is_file())
        assert size < 40_000
        with fetched(client, told["images"].removesuffix("/images")) as found:
            assert len(found.namelist()) == told["done"] + 1  # what was made is there
        (key,) = service.keys.all()
        assert service.usage.used(key) == told["done"]
        monkeypatch.setattr(service, "settings", dataclasses.replace(service.settings, batch_disk_gib=1e-9))
        answer = client.post("/v1/batches", json={"count": 1})
        problem(answer, 503, "full")
        assert answer.headers["retry-after"] == "3600" and service.usage.used(key) == told["done"]


def test_files_expire(run, tmp_path):
    with client_of([run], tmp_path, batch_hours=1e-9) as (client, _, key):
        place = begin(client, count=2)
        until(lambda: client.get(place).json().get("expires"))
    with client_of([run], tmp_path, name="again", batch_hours=1e-9) as (client, _, _):  # looks at its start
        until(lambda: client.get(place, headers=bearer(key)).status_code == 404)
        assert not [path for path in (tmp_path / "batches").iterdir() if path.is_dir()]


def test_another_model_of_the_name_ends_it(tmp_path, monkeypatch):
    run = write_run(tmp_path / "model")
    with client_of([run], tmp_path / "state") as (client, service, key):
        gate = Gate(service, monkeypatch)
        place = begin(client, count=24)
        until(gate.waiting.is_set)
        threading.Timer(0.5, gate.let, (1,)).start()
    (run / "checkpoints" / "000012").rename(tmp_path / "old")
    torch.manual_seed(1)
    other = write_run(tmp_path / "other")
    (other / "checkpoints" / "000012").rename(run / "checkpoints" / "000013")
    with client_of([run], tmp_path / "state", name="again") as (client, service, _):
        told = ended(client, place, **bearer(key))
        assert told["state"] == "failed" and told["done"] == 8 and "no longer the one" in told["reason"]
        assert service.usage.used(service.keys.all()[0]) == 8


def test_yesterdays_charge_is_not_given_back_today(client, service, gate):
    (key,) = service.keys.all()
    begin(client, count=8)
    until(gate.waiting.is_set)
    place = begin(client, count=30)
    with service.database.transaction() as connection:
        connection.execute("UPDATE batches SET created = created - 86400 WHERE total = 30")
    assert client.delete(place).status_code == 204 and service.usage.used(key) == 38


def test_an_error_is_tried_again_and_then_given_up(client, service, monkeypatch, capsys):
    real, calls = service.finish, []

    def failing(*given):
        calls.append(given)
        if len(calls) <= 2 or len(calls) > 3:
            raise OSError("/secret: no space")
        return real(*given)

    monkeypatch.setattr(service, "finish", failing)
    first = ended(client, begin(client, count=3))
    assert first["state"] == "done" and len(calls) == 3
    second = ended(client, begin(client, count=3))
    assert second["state"] == "failed" and len(calls) == 6 and "secret" not in second["reason"]
    assert "/secret" in capsys.readouterr().err
    assert service.usage.used(service.keys.all()[0]) == 3


def test_every_example_of_openapi_is_sent(tmp_path):
    run = write_run(tmp_path / "classes", ("cat", "dog", "owl"))
    table = tmp_path / "sefa.safetensors"
    direction_files.save(sefa(gan.load(run), 2), table)
    with client_of([run], tmp_path / "state", directions=(str(table),)) as (client, _, _):
        paths = client.get("/openapi.json").json()["paths"]
        for path, known in (("/v1/images", EXAMPLES), ("/v1/batches", BATCH_EXAMPLES)):
            examples = paths[path]["post"]["requestBody"]["content"]["application/json"]["examples"]
            assert set(examples) == set(known)
            for name, example in examples.items():
                answer = client.post(path, json=example["value"])
                assert answer.is_success, (name, answer.text)
        place = answer.headers["location"]
        began = time.monotonic()
        assert ended(client, place)["done"] == 10 and time.monotonic() - began < 60
