"""`gan serve --ray`: a Ray cluster on the loopback, replicas that are killed, and what the end leaves."""

import contextlib
import json
import os
import signal
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from gan.errors import UserError
from gan.jobs.sampling import sample
from gan.jobs.serving.administration import overview
from gan.jobs.serving.audit import verify
from gan.jobs.serving.settings import ServeConfig
from gan.web.serve import running
from tests.gan.runs import write_run
from tests.gan.web.test_serve_images import pixels
from tests.gan.web.test_serve_workers import ask, events, key_of, serving, until

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("prometheus_client", reason="the extra serve is not installed")
pytest.importorskip("ray", reason="the extra ray is not installed")

CLIENTS, IMAGES = 16, 200


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "plain")


def below(parent):
    """{process: its name} of all processes that a process has started, and that these have."""
    parents, names = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                name, rest = (folder / "stat").read_text().rsplit(")", 1)
                parents[int(folder.name)] = int(rest.split()[1])
                names[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ") or name
            except OSError:  # it has ended meanwhile
                continue
    found = {parent}
    while more := {each for each, above in parents.items() if above in found} - found:
        found |= more
    return {each: names.get(each, "") for each in found - {parent}}


def replicas_of(process):
    return [each for each, name in below(process.pid).items() if "ray::ServeReplica" in name]


def reached(processes):
    """Sockets on which any of the processes listens for other machines: (process, address in hexadecimal)."""
    waiting = {}
    own = {"tcp": ("0100007F",), "tcp6": ("0" * 24 + "01000000", "0" * 16 + "FFFF00000100007F")}
    for table, loopback in own.items():
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, address, _, state, *_, inode = line.split()[:10]
            if state == "0A" and not address.startswith(loopback):
                waiting[f"socket:[{inode}]"] = address
    found = set()
    for process in processes:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            links = [str(link.readlink()) for link in Path("/proc", str(process), "fd").iterdir()]
            found |= {(process, waiting[link]) for link in links if link in waiting}
    return found


def image(home, key, seed):
    """An image, asked for again where the server says so; the statuses that were no image before it."""
    refused = []
    while True:
        try:
            return ask(f"{home}/v1/images", key, {"seeds": [seed]}), refused
        except urllib.error.HTTPError as error:
            with error:
                refused.append((error.code, json.loads(error.read())["type"]))
                assert error.code in (429, 503) and error.headers["retry-after"]
            time.sleep(0.2)


@pytest.mark.slow
def test_replicas_serve_die_and_end(run, tmp_path):
    """Every answer is that of a direct call, also while one of two replicas is killed."""
    key, direct = key_of(tmp_path), sample(run, list(range(IMAGES)), device="cpu")
    with serving(run, tmp_path, "--ray", "local", "--workers", "2") as (process, home):
        assert home.startswith("http://127.0.0.1:"), process.stderr.read()
        victims = replicas_of(process)
        assert len(victims) == 2
        others = reached({process.pid, *below(process.pid)})  # replicas have a port each, behind Ray's token
        assert len(others) <= 2 and {number for number, _ in others} <= set(victims)
        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = [clients.submit(image, home, key, seed) for seed in range(IMAGES)]
            until(lambda: sum(each.done() for each in answers) >= IMAGES // 4)
            os.kill(victims[0], signal.SIGKILL)
            found = [each.result(200) for each in answers]
        for seed, (data, refused) in enumerate(found):
            assert torch.equal(pixels(data), direct[seed]), seed
            assert all(
                kind == "urn:gan:problem:overloaded" for _, kind in refused
            )  # lost ones were done again
        assert overview(tmp_path)[0]["used_today"] == IMAGES
        until(lambda: len(replicas_of(process)) == 2)  # Ray Serve starts another one
        assert victims[0] not in replicas_of(process)
        place = json.loads(ask(f"{home}/v1/batches", key, {"count": 16}))["id"]
        until(lambda: json.loads(ask(f"{home}/v1/batches/{place}", key))["state"] == "done")
        started = below(process.pid)
        with ThreadPoolExecutor(1) as clients:
            last = clients.submit(ask, f"{home}/v1/images", key, {"count": 8, "format": "zip"})
            until(lambda: overview(tmp_path)[0]["used_today"] == IMAGES + 24)
            process.send_signal(signal.SIGTERM)
            assert last.result(100)[:2] == b"PK"  # what was accepted is finished
        _, err = process.communicate(timeout=100)
    assert process.returncode == 143 and "Traceback" not in err and key not in err, err
    until(lambda: not any(map(alive, started)))
    records = events(tmp_path)
    assert verify(tmp_path)[0] == len(records) and records[-1]["event"] == "ended"
    assert sum(len(each["seeds"]) for each in records if each["event"] == "made") == IMAGES + 24


@pytest.mark.slow
def test_a_server_that_is_killed_leaves_no_cluster(run, tmp_path):
    key = key_of(tmp_path)
    with serving(run, tmp_path, "--ray", "local") as (process, home):
        assert len(ask(f"{home}/v1/images", key, {"seeds": [1]})) > 100
        started = below(process.pid)
        process.kill()
        process.wait()
        until(lambda: not any(map(alive, started)))


def alive(process):
    """Whether a process is there and no zombie, which nobody has heard the end of."""
    try:
        state = (Path("/proc") / str(process) / "stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_no_cluster_is_a_line(run, tmp_path):
    settings = ServeConfig(
        models=(str(run),), state=str(tmp_path / "s"), port=0, device="cpu", ray="127.0.0.1:1"
    )
    with pytest.raises(UserError, match="no Ray cluster at 127.0.0.1:1 .*ray start --head"):
        running.run(settings)
    assert not (tmp_path / "s").exists()
