"""What breaks around a server: files, disk, Redis, threads, clocks. It goes on, or refuses in order."""

import contextlib
import ctypes
import os
import shutil
import subprocess
import threading
import time

import pytest

from gan.errors import UserError
from gan.jobs.serving import keys as keys_module
from gan.jobs.serving.audit import verify
from gan.jobs.serving.batching import Died, Queue, Wish
from gan.jobs.serving.quotas import LocalUsage
from tests.gan.jobs.serving.test_shared import redis_server
from tests.gan.runs import write_run
from tests.gan.web.serve_api import client_of
from tests.gan.web.test_serve_images import post, problem, records, until

DAY = 86_400


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "plain")


def used(service):
    return service.usage.used(next(key for key in service.keys.all() if key.name == "me"))


def test_a_model_whose_file_goes_while_it_is_served(tmp_path):
    """What is in memory goes on; what has to be read again is refused, by itself alone, until it is back."""
    one, other = write_run(tmp_path / "one"), write_run(tmp_path / "other")
    weights = one / "checkpoints" / "000012" / "generator.safetensors"
    room = 1.5 * weights.stat().st_size / 2**30  # of one model
    with client_of([one, other], tmp_path / "state", memory_gib=room) as (client, service, _):
        first = post(client, "one", seeds=[1])
        weights.rename(tmp_path / "away")
        assert post(client, "one", seeds=[1]).content == first.content
        assert post(client, "other", seeds=[1]).status_code == 200  # which drops the first
        problem(post(client, "one", seeds=[1]), 503, "unavailable")
        assert (
            post(client, "other", seeds=[2]).status_code == 200 and client.get("/readyz").status_code == 200
        )
        weights.write_bytes(b"not what was verified")
        problem(post(client, "one", seeds=[1]), 503, "unavailable")
        (tmp_path / "away").replace(weights)
        assert post(client, "one", seeds=[1]).content == first.content
        assert used(service) == 5  # five images left


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    words = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.getuid() or mount is None or subprocess.run([mount, *words], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_under_the_log(run, small_disk):
    with client_of([run], small_disk) as (client, service, _):
        first = post(client, seeds=[1])
        assert first.status_code == 200
        ballast = small_disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(b"x" * 512):
                pass
        answers = [post(client, seeds=[number]) for number in range(30)]  # the last page of a file has room
        assert {answer.status_code for answer in answers} <= {200, 503}
        problem(answers[-1], 503, "unavailable")
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200
        ballast.unlink()
        again = post(client, seeds=[1])
        assert again.content == first.content
        made = [record for record in records(service) if record["event"] == "made"]
        left = [first, *(answer for answer in answers if answer.status_code == 200), again]
        assert len(made) == len(left) and verify(small_disk)[0] == len(records(service))


def test_redis_goes_and_comes_back(run, tmp_path, capsys):
    pytest.importorskip("redis", reason="the extra redis is not installed")
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis", password="hidden", keep=True) as (process, port):
        url = f"redis://:hidden@127.0.0.1:{port}/0"
        with client_of([run], tmp_path / "state", redis=url) as (client, service, _):
            first = post(client, seeds=[1])
            assert first.status_code == 200 and used(service) == 1
            process.kill()
            process.wait(10)
            for _ in range(2):
                answer = post(client, seeds=[1])
                problem(answer, 503, "unavailable")
                assert int(answer.headers["retry-after"]) >= 1 and "hidden" not in answer.text
            problem(client.get("/readyz"), 503, "unavailable")
            assert client.get("/healthz").status_code == 200
            with redis_server(tmp_path / "redis", port, password="hidden", keep=True):
                assert post(client, seeds=[1]).content == first.content  # the key is there as well
                assert client.get("/readyz").status_code == 200 and used(service) == 2
            log = service.audit.path.read_text()
            err = capsys.readouterr().err
    assert f"Redis at 127.0.0.1:{port} does not answer" in err and "hidden" not in err + log
    assert verify(tmp_path / "state")[0] == len(log.splitlines()) + 1  # the end


def test_redis_that_goes_while_an_image_is_drawn(run, tmp_path, monkeypatch):
    """The image is there and its line is written, so that it leaves; what fails is noted all the same."""
    pytest.importorskip("redis", reason="the extra redis is not installed")
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis") as (process, port):
        url = f"redis://127.0.0.1:{port}/0"
        with client_of([run], tmp_path / "state", redis=url) as (client, service, _):
            real, (key,) = service.models._generator, service.keys.all()

            def dying(name):
                process.kill()
                process.wait(10)
                return real(name)

            with monkeypatch.context() as patch:
                patch.setattr(service.models, "_generator", dying)
                assert post(client, seeds=[1]).status_code == 200

            def failing(name):
                raise RuntimeError("no memory")

            monkeypatch.setattr(service.models, "_generator", failing)
            monkeypatch.setattr(service.keys, "verify", lambda given: key)
            monkeypatch.setattr(service.usage, "charge", lambda key, images: None)
            monkeypatch.setattr(service.usage, "check_near_misses", lambda key, most, seconds: None)
            problem(post(client, seeds=[2]), 503, "unavailable")  # the refund failed
            assert [record["event"] for record in records(service)[-2:]] == ["made", "RuntimeError"]


def test_a_backlog_of_filters_is_overload(run, tmp_path, monkeypatch):
    """What was drawn and waits for filters takes room as well, or nothing would bound it."""
    free, begun, answers = threading.Event(), [], []
    bodies = {"count": 5, "format": "zip"}, {"seeds": [1]}
    with client_of([run], tmp_path, queue=5, most_images=5) as (client, service, _):
        real = service.finish

        def waiting(*given):
            begun.append(len(given[0].order.seeds))
            assert free.wait(60)
            return real(*given)

        monkeypatch.setattr(service, "finish", waiting)
        asking = [threading.Thread(target=lambda b=b: answers.append(post(client, **b))) for b in bodies]
        for number, thread in enumerate(asking, 1):
            thread.start()
            until(lambda number=number: len(begun) == number)
        problem(post(client, seeds=[2]), 429, "overloaded")
        free.set()
        for thread in asking:
            thread.join(60)
        assert [answer.status_code for answer in answers] == [200, 200]
        assert post(client, seeds=[2]).status_code == 200


@pytest.mark.parametrize("fault", [SystemExit(3), KeyboardInterrupt(), MemoryError(), RuntimeError("x")])
def test_a_worker_that_raises_anything_goes_on(run, tmp_path, monkeypatch, fault):
    with client_of([run], tmp_path) as (client, service, _):
        real, times = service.models._generator, iter(range(99))

        def once(name):
            if next(times) == 0:
                raise fault
            return real(name)

        monkeypatch.setattr(service.models, "_generator", once)
        answer = post(client, seeds=[1])
        assert answer.status_code in (500, 503) and answer.json()["request"]
        assert post(client, seeds=[1]).status_code == 200 and used(service) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it is meant to die
def test_a_worker_that_is_killed_is_replaced():
    """An exception is raised in the thread from outside, while it waits for work."""
    queue = Queue(lambda wishes: [wish.seed for wish in wishes], capacity=4)
    assert queue.submit([Wish(seed=1)], 30)[0].result(30) == 1
    first = queue._thread
    thread, fault = ctypes.c_ulong(first.ident), ctypes.py_object(SystemExit)
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, fault) == 1
    with queue._changed:
        queue._changed.notify()  # it sees the exception when it wakes
    first.join(30)
    assert not first.is_alive()
    assert queue.submit([Wish(seed=2)], 30)[0].result(30) == 2 and queue._thread is not first
    queue.close()


def test_what_ends_a_thread_is_told_as_an_ordinary_error():
    def ended(wishes):
        raise SystemExit(3)

    queue = Queue(ended, capacity=4)
    (future,) = queue.submit([Wish(seed=1)], 30)
    with pytest.raises(Died, match="SystemExit"):
        future.result(30)
    assert issubclass(Died, UserError)
    queue.close()


@pytest.mark.parametrize("jump", [-400 * DAY, -3700, 3700, 400 * DAY])
def test_a_clock_that_jumps_under_a_server(run, tmp_path, monkeypatch, jump):
    """Quotas and rates go on, and nobody is shut out when it comes back; a day that was left begins anew."""
    real = time.time
    days = int((real() + jump) // DAY) - int(real() // DAY)
    offset = [0.0]

    def told():
        return real() + offset[0]

    with client_of([run], tmp_path) as (client, service, _):
        service.usage = LocalUsage(service._database, told)
        service.inputs._usage = service.usage
        monkeypatch.setattr(keys_module.time, "time", told)
        assert post(client, seeds=[1]).status_code == 200
        offset[0] = jump
        late = time.monotonic() + 30
        while post(client, seeds=[2]).status_code != 200:  # a rate of 10,000 a minute fills up in 6 ms
            assert time.monotonic() < late
        counted = used(service)
        assert counted == (1 if days > 0 else 2)
        offset[0] = 0.0
        while post(client, seeds=[3]).status_code != 200:
            assert time.monotonic() < late
        assert used(service) == (1 if days < 0 else counted + 1)
        assert verify(tmp_path)[0] == len(records(service))


def test_a_key_that_expires_does_so_by_the_clock_that_holds(run, tmp_path, monkeypatch):
    with client_of([run], tmp_path) as (client, service, _):
        brief = {"authorization": f"Bearer {service.keys.create('brief', days=1)}"}
        assert client.get("/v1/models", headers=brief).status_code == 200
        now = time.time()
        monkeypatch.setattr(keys_module.time, "time", lambda: now + 2 * DAY)
        problem(client.get("/v1/models", headers=brief), 401, "denied")
        monkeypatch.setattr(keys_module.time, "time", lambda: now)
        assert client.get("/v1/models", headers=brief).status_code == 200
