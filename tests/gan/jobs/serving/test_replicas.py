"""Replicas without Ray: what they may know, jobs that are done again, bounds, deadlines, and refusals.

Ray Serve itself runs in tests/gan/web/test_serve_ray.py.
"""

import asyncio
import contextlib
import sys
import threading
import types
from dataclasses import replace

import pytest

from gan.errors import UsageError, UserError
from gan.jobs.sampling import sample
from gan.jobs.serving import replicas
from gan.jobs.serving.batching import Closed, Expired, Overloaded
from gan.jobs.serving.engine import LocalEngine
from gan.jobs.serving.models import facts_of
from gan.jobs.serving.orders import Job, Order
from gan.jobs.serving.replicas import RayEngine, Replica
from gan.jobs.serving.settings import ServeConfig
from tests.gan.jobs.serving.test_finishing import KEY, decoded
from tests.gan.runs import write_run


class Lost(Exception):
    """What Ray raises where a replica died."""


class Unavailable(Exception):
    """What Ray Serve raises where there are no replicas to ask."""


class Response:
    """Of a call: what the replica answers, when the event loop waits for it."""

    def __init__(self, answer):
        self._answer, self.cancelled = answer, False

    def __await__(self):
        return self._answer().__await__()

    def result(self, timeout_s):
        return asyncio.run(self._answer())

    def cancel(self):
        self.cancelled = True


class Cluster:
    """Stands in for Ray Serve: one replica in this process, and calls that are lost as the test says.

    losses: how many of the next calls are lost.  hang: calls do not end.
    """

    def __init__(self):
        self.losses, self.hang, self.calls, self.deployed, self.deleted = 0, False, [], {}, []
        self.lost = Lost
        self.applications, self.free = {}, {"CPU": 8.0}
        self.draw = self.told = types.SimpleNamespace()

    def ray(self, *_):
        told = {"cluster_resources": lambda: self.free, "available_resources": lambda: self.free}
        return types.SimpleNamespace(**told)

    def start(self, **given):
        assert given["proxy_location"] == "Disabled"  # nothing listens but this process

    def status(self):
        return types.SimpleNamespace(applications=self.applications)

    def delete(self, name, **_):
        self.deleted.append(name)

    def deployment(self, kind):
        def options(**given):
            self.deployed = given
            return types.SimpleNamespace(bind=lambda *args: (kind, args))

        return types.SimpleNamespace(options=options)

    def run(self, application, name, route_prefix):
        assert route_prefix is None
        self.name, (kind, self.args) = name, application
        self.replica = kind(*self.args)
        self.told = types.SimpleNamespace(remote=lambda: Response(self.replica.told))
        self.draw = types.SimpleNamespace(remote=self._draw)
        return self

    def _draw(self, job, seconds):
        async def answer():
            if self.losses:
                self.losses -= 1
                raise self.lost("The actor died")
            if self.hang:
                await asyncio.sleep(1000)
            return await self.replica.draw(job, seconds)

        self.calls.append(Response(answer))
        return self.calls[-1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "plain", ("cat", "dog"))


@pytest.fixture
def cluster(monkeypatch):
    found = Cluster()

    @contextlib.contextmanager
    def connected(address):
        yield found.ray(address)

    ray = types.ModuleType("ray")
    ray.exceptions = types.ModuleType("ray.exceptions")
    ray.exceptions.RayError = Lost
    own = types.ModuleType("ray.serve.exceptions")
    own.RayServeException = Unavailable
    modules = {"ray": ray, "ray.exceptions": ray.exceptions, "ray.serve": types.ModuleType("ray.serve")}
    for name, module in {**modules, "ray.serve.exceptions": own}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(replicas, "connected", connected)
    monkeypatch.setattr(replicas, "_ray_serve", lambda: found)
    return found


def settings(run, tmp_path, **given):
    options = {"device": "cpu", "content_filter": "off", "ray": "local", "workers": 2, "queue": 4, **given}
    return ServeConfig(models=(str(run),), state=str(tmp_path), most_images=4, **options)


def job(run, *seeds, urgent=True, **given):
    order = Order(model="plain", seeds=seeds, form="zip", **given)
    return Job(key=KEY, order=order, digest=facts_of(run).digest, urgent=urgent)


def drawn(engine, job, seconds=600.0):
    return asyncio.run(engine.draw(job, seconds))()


def test_the_same_files_as_in_one_process(run, tmp_path, cluster):
    engine = RayEngine(settings(run, tmp_path))
    local = LocalEngine(settings(run, tmp_path))
    wanted = job(run, 1, 2, 3, label=1, psi=0.5, size=32)
    made = drawn(engine, wanted)
    assert made == drawn(local, wanted) and [each.seed for each in made] == [1, 2, 3]
    with engine.expecting("plain"):
        (plain,) = drawn(engine, job(run, 5))
    assert (decoded(plain.data) == sample(run, [5], device="cpu")[0]).all()
    assert engine.loaded() == ["plain"] and engine.waiting("plain") == 0
    assert engine.told()["filters"] == [] and engine.told()["device"] == "cpu"
    local.close()
    engine.close()


def test_what_dies_with_a_replica_is_done_again(run, tmp_path, cluster):
    engine = RayEngine(settings(run, tmp_path))
    first = drawn(engine, job(run, 1))
    cluster.losses = 2
    assert drawn(engine, job(run, 1)) == first and len(cluster.calls) == 4
    cluster.losses = 3
    with pytest.raises(UserError, match="replicas died 3 times"):
        drawn(engine, job(run, 1))
    assert engine.waiting("plain") == 0 and drawn(engine, job(run, 1)) == first


def test_a_service_without_replicas_is_unavailable(run, tmp_path, cluster):
    engine = RayEngine(settings(run, tmp_path))
    cluster.losses, cluster.lost = 1, Unavailable
    with pytest.raises(UserError, match=r"Ray Serve does not answer \(The actor died\)"):
        drawn(engine, job(run, 1))
    assert len(cluster.calls) == 1 and engine.waiting("plain") == 0


def test_an_error_of_a_replica_is_not_tried_again(run, tmp_path, cluster, monkeypatch):
    engine = RayEngine(settings(run, tmp_path))

    def broken(name):
        raise MemoryError("of a machine")

    monkeypatch.setattr(cluster.replica._engine.models, "_generator", broken)
    with pytest.raises(UserError, match="a replica failed: MemoryError: of a machine"):
        drawn(engine, job(run, 1))
    assert len(cluster.calls) == 1


def test_a_deadline_ends_the_call(run, tmp_path, cluster):
    engine = RayEngine(settings(run, tmp_path))
    cluster.hang = True
    with pytest.raises(Expired):
        drawn(engine, job(run, 1), seconds=0.05)
    assert cluster.calls[-1].cancelled and engine.waiting("plain") == 0
    cluster.hang = False
    with pytest.raises(Expired):  # what waits too long in the queue of a replica
        asyncio.run(cluster.replica._engine.draw(job(run, 1), -1.0))
    assert asyncio.run(cluster.replica.draw(job(run, 1), -1.0)).expired


def test_a_client_that_leaves_takes_its_call_along(run, tmp_path, cluster):
    engine = RayEngine(settings(run, tmp_path))
    cluster.hang = True

    async def left():
        task = asyncio.create_task(engine.draw(job(run, 1), 60))
        while not cluster.calls:
            await asyncio.sleep(0)
        assert engine.waiting("plain") == 1
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(left())
    assert cluster.calls[-1].cancelled and engine.waiting("plain") == 0


def test_the_queues_of_all_replicas_are_one_bound(run, tmp_path, cluster):
    """4 images each: 8 in all, also where one of two has died; batches, which wait, are bounded elsewhere."""
    engine = RayEngine(settings(run, tmp_path))
    assert cluster.args[-1] == 8  # the queue of each replica holds all of them
    cluster.hang = True

    async def asked():
        tasks = [asyncio.create_task(engine.draw(job(run, seed, seed + 100), 60)) for seed in range(4)]
        tasks.append(asyncio.create_task(engine.draw(job(run, 50, urgent=False), 60)))
        await asyncio.sleep(0.01)
        assert engine.waiting("plain") == 9
        with pytest.raises(Overloaded) as full:
            await engine.draw(job(run, 9), 60)
        assert full.value.retry_after == 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(asked())
    assert engine.waiting("plain") == 0


def test_the_end_waits_for_what_was_accepted(run, tmp_path, cluster):
    engine = RayEngine(settings(run, tmp_path))
    cluster.hang, results = True, []
    worker = threading.Thread(target=lambda: results.append(_quietly(engine, job(run, 1), 0.5)))
    worker.start()
    while not cluster.calls:
        pass
    engine.close()
    assert engine.waiting("plain") == 0
    worker.join(60)
    assert results == [Expired]
    with pytest.raises(Closed):
        drawn(engine, job(run, 2))


def _quietly(engine, wanted, seconds):
    try:
        return drawn(engine, wanted, seconds)
    except UserError as error:
        return type(error)


def test_replicas_know_no_secret_but_that_of_the_watermark(run, tmp_path, cluster):
    given = {"redis": "redis://:secret@h:1/0", "tls_certificate": "cert.pem", "tls_private_key": "key.pem"}
    given |= {"c2pa_certificate": "c.pem", "c2pa_private_key": "k.pem", "input_classifier": "a.py:b"}
    RayEngine(settings(run, tmp_path, **given))
    told, models, secret, *_ = cluster.args
    assert secret == (tmp_path / "watermark.key").read_bytes() and models[0].name == "plain"
    for name in (*given, "ray"):
        assert getattr(told, name) is None, name
    assert told.c2pa == "off" and (told.device, told.queue) == ("cpu", 4)
    assert models[0].path.is_absolute()
    RayEngine(settings(run, tmp_path / "off", watermark="off"))
    assert cluster.args[2] is None and not (tmp_path / "off").exists()


def test_replicas_get_whole_paths(run, tmp_path, monkeypatch):
    """Their processes work in folders of their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").touch()
    given = {"blocklist": "list.txt", "memorisation": "hf://datasets/a/b", "directions": ("list.txt",)}
    told = replicas.for_replicas(settings(run, tmp_path, **given), 0)
    assert (told.blocklist, told.directions) == (str(tmp_path / "list.txt"), (str(tmp_path / "list.txt"),))
    assert told.memorisation == "hf://datasets/a/b"


def test_a_machine_with_another_model_is_refused(run, tmp_path):
    facts = facts_of(run)
    options = (settings(run, tmp_path, ray=None), [replace(facts, digest="0" * 64)], b"s" * 32, (), 8)
    with pytest.raises(UserError, match="is another model than that of the server"):
        Replica(*options)


def test_one_application_a_state_folder_replaces_its_old_one(run, tmp_path, cluster):
    name = replicas.name_of(str(tmp_path))
    assert name == replicas.name_of(f"{tmp_path}/../{tmp_path.name}") != replicas.name_of("elsewhere")
    RayEngine(settings(run, tmp_path))
    assert cluster.name == name and cluster.deleted == []
    cluster.applications = {name: "of a server that was killed"}
    RayEngine(settings(run, tmp_path)).close()
    assert cluster.deleted == [name]
    cluster.deleted.clear()
    RayEngine(settings(run, tmp_path, ray="10.0.0.1:6379")).close()
    assert cluster.deleted == [name, name]  # the old one, and at the end its own


def test_room_and_devices(run, tmp_path, cluster):
    cluster.free = {"CPU": 1.0}
    with pytest.raises(UserError, match="2 replicas need 2 CPUs and the Ray cluster has 1 free"):
        RayEngine(settings(run, tmp_path))
    auto, gpus = settings(run, tmp_path, device="auto"), {"CPU": 8.0, "GPU": 2.0}
    assert replicas.gpus_of(auto, gpus) == 1 and replicas.gpus_of(auto, {"GPU": 1.0}) == 0
    assert replicas.gpus_of(replace(auto, device="cpu"), gpus) == 0
    assert replicas.gpus_of(replace(auto, device="cuda"), {}) == 1
    with pytest.raises(UserError, match="2 replicas need 2 GPUs"):
        replicas.check_room(auto, {"CPU": 8.0, "GPU": 1.0}, 1)
    with pytest.raises(UsageError, match="with --ray it is auto, cpu or cuda"):
        replicas.gpus_of(replace(auto, device="cuda:1"), gpus)
    assert replicas.for_replicas(auto, 1).device == "cuda" and replicas.for_replicas(auto, 0).device == "cpu"


def test_replicas_that_do_not_start_are_a_line(run, tmp_path, cluster, monkeypatch):
    def failing(*_, **__):
        raise RuntimeError(
            "Deploying application failed:\n  Traceback\n gan.errors.UserError: no model here\n"
        )

    monkeypatch.setattr(cluster, "run", failing)
    with pytest.raises(UserError, match=r"do not start .*\(gan.errors.UserError: no model here\)$"):
        RayEngine(settings(run, tmp_path))


def test_without_the_package(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"--ray needs the package ray.*\[ray\]"):
        RayEngine(settings(run, tmp_path))
