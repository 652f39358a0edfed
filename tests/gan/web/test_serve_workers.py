"""Several processes behind one port, and servers that are killed: figures, log, quotas, batches."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import torch

from gan.jobs.sampling import sample
from gan.jobs.serving.administration import create, overview
from gan.jobs.serving.audit import FILE, verify
from gan.jobs.serving.service import Service
from gan.jobs.serving.settings import ServeConfig
from gan.web.serve import counting
from gan.web.serve.application import application
from tests.gan.runs import write_run
from tests.gan.web.conftest import served
from tests.gan.web.test_serve_images import pixels

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("prometheus_client", reason="the extra serve is not installed")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "plain")


def until(true):
    """Wait for it, minutes if need be: processes start slowly on a busy machine."""
    late = time.monotonic() + 200
    while not true():
        assert time.monotonic() < late
        time.sleep(0.02)


def key_of(state, role="user"):
    limits = {"per_minute": 10_000, "per_day": 10_000, "days": None}
    return create(state, role, terms="1", attested_by="tests", role=role, **limits)


def settings(run, state):
    return ServeConfig(models=(str(run),), state=str(state), device="cpu", content_filter="off")


@contextmanager
def serving(run, state, *options):
    """(process, address) of `gan serve`, killed at the end where it still runs."""
    command = [sys.executable, "-m", "gan", "serve", str(run), "--port", "0", "--state", str(state), *options]
    command += ["--device", "cpu", "--set", "content_filter='off'"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        late = threading.Timer(400, process.kill)
        late.start()
        try:
            yield process, process.stdout.readline().strip()
        finally:
            late.cancel()
            process.kill()


def ask(address, key, body=None, method=None):
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read()


def events(state):
    return [json.loads(line) for line in (state / FILE).read_text().splitlines()]


def test_two_processes_share_port_keys_quotas_log_batches_and_figures(run, tmp_path):
    key = key_of(tmp_path)
    with serving(run, tmp_path, "--workers", "2") as (process, home):
        direct = sample(run, list(range(40)), device="cpu")
        until(lambda: len([e for e in events(tmp_path) if e["event"] == "started"]) == 3)  # the first checks
        place = json.loads(ask(f"{home}/v1/batches", key, {"seeds": list(range(40))}))["id"]
        with ThreadPoolExecutor(8) as clients:  # a connection each, so that both processes answer
            answers = list(clients.map(lambda s: ask(f"{home}/v1/images", key, {"seeds": [s]}), range(40)))
        assert all(torch.equal(pixels(data), direct[seed]) for seed, data in enumerate(answers))
        until(lambda: json.loads(ask(f"{home}/v1/batches/{place}", key))["state"] == "done")
        with zipfile.ZipFile(io.BytesIO(ask(f"{home}/v1/batches/{place}/images", key))) as found:
            assert torch.equal(pixels(found.read("seed0039.png")), direct[39])
        assert overview(tmp_path)[0]["used_today"] == 80
        time.sleep(1.2)  # in which both have told what they see
        operator = key_of(tmp_path, "operator")
        figures = [ask(f"{home}/metrics", operator).decode() for _ in range(4)]
        for text in figures:  # whichever of them answers
            assert 'gan_requests_total{route="/v1/images",status="200"} 40.0' in text
            assert 'gan_images_total{verdict="allowed"} 80.0' in text
            assert 'gan_waiting_images{model="plain"} 0.0' in text
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=100)
    assert "Traceback" not in err and key not in err
    records = events(tmp_path)
    assert verify(tmp_path)[0] == len(records) and records[-1]["event"] == "ended"
    processes = {each["process"] for each in records if each["event"] == "started"}
    assert len(processes) == 3 and [each["event"] for each in records].count("ended") == 3
    assert sum(len(each["seeds"]) for each in records if each["event"] == "made") == 80


@pytest.mark.slow
def test_a_process_that_is_killed_is_replaced_and_all_end_with_the_parent(run, tmp_path):
    key = key_of(tmp_path)

    def started():
        return [each["process"] for each in events(tmp_path) if each["event"] == "started"][1:]

    def ended():
        return {each["process"] for each in events(tmp_path) if each["event"] == "ended"}

    with serving(run, tmp_path, "--workers", "2") as (process, home):
        until(lambda: len(started()) == 2)
        ask(f"{home}/v1/images", key, {"seeds": [1]})
        os.kill(started()[0], signal.SIGKILL)
        until(lambda: len(started()) == 3)
        assert len(ask(f"{home}/v1/images", key, {"seeds": [2]})) > 100
        workers = [number for number in started() if counting._alive(number)]
        process.kill()
        until(lambda: ended() >= set(workers))  # not by their numbers, which nobody may free
    assert verify(tmp_path)[0] == len(events(tmp_path))


def test_a_batch_survives_kill_9(run, tmp_path):
    key, seeds = key_of(tmp_path), list(range(200))
    with serving(run, tmp_path) as (process, home):
        place = json.loads(ask(f"{home}/v1/batches", key, {"seeds": seeds}))["id"]
        until(lambda: json.loads(ask(f"{home}/v1/batches/{place}", key))["done"] >= 16)
        process.kill()
        process.communicate(timeout=60)
    left = {path.name: path.read_bytes() for path in (tmp_path / "batches" / place).glob("seed*")}
    assert 16 <= len(left) < 200 and not (tmp_path / "batches" / place / "images.zip").exists()
    direct = sample(run, seeds, device="cpu")
    for name, data in left.items():  # no half file
        assert torch.equal(pixels(data), direct[int(name[4:8])])
    with served(application(Service(settings(run, tmp_path)))) as home:
        until(lambda: json.loads(ask(f"{home}/v1/batches/{place}", key))["state"] == "done")
        data = ask(f"{home}/v1/batches/{place}/images", key)
        assert ask(f"{home}/v1/batches/{place}", key, method="DELETE") == b""
        with pytest.raises(urllib.error.HTTPError, match="404") as gone:
            ask(f"{home}/v1/batches/{place}", key)
        gone.value.close()
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert found.testzip() is None and len(found.namelist()) == 201
        assert all(torch.equal(pixels(found.read(f"seed{seed:04d}.png")), direct[seed]) for seed in seeds)
    assert verify(tmp_path)[0] == len(events(tmp_path))


def test_figures_of_a_dead_process_are_forgotten(run, tmp_path, monkeypatch):
    """Its queue must not be seen to wait for ever; what it counted stays."""
    from prometheus_client import mmap_dict

    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    for kind in ("gauge_livesum", "counter"):
        mmap_dict.MmapedDict(str(tmp_path / f"{kind}_{child.pid}.db")).close()
    mine = tmp_path / f"gauge_livesum_{os.getpid()}.db"
    mmap_dict.MmapedDict(str(mine)).close()
    monkeypatch.setenv(counting.SHARED, str(tmp_path))
    service = Service(settings(run, tmp_path / "s"))
    counting.Figures(service)
    service.close()
    assert sorted(path.name for path in tmp_path.glob("*.db")) == [f"counter_{child.pid}.db", mine.name]
