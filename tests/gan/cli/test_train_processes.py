"""gan train under torchrun: a run of two processes goes on in one; a killed process ends the job."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.conftest import draw
from tests.training.tiny import files

OPTIONS = ["batch=8", "tick_kimg=0.016", "snapshot_ticks=1", "data.conditional=true", "loss.r1_interval=2"]
OPTIONS += [f"{n}.channel_base=64" for n in ("generator", "discriminator")]


def command(processes, data, out, kimg, *more, restarts=0):
    gan = [str(Path(sys.executable).with_name("gan")), "train", "--data", str(data), "--out", str(out)]
    gan += ["--kimg", kimg, "--device", "cpu"]
    gan += [part for option in OPTIONS for part in ("--set", option)] + list(more)
    if processes == 1:
        return gan
    start = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    start += ["--max-restarts", str(restarts), "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    return [sys.executable, *start, "--no-python", *gan]


def finished(line):
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return done


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_a_run_of_two_processes_goes_on_in_one(tiny_zip, tmp_path):
    finished(command(2, tiny_zip, tmp_path, "0.032"))
    done = finished(command(1, tiny_zip, tmp_path, "0.064", "--resume", "auto"))
    (run,) = tmp_path.iterdir()
    assert done.stdout.strip() == str(run)
    records = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    assert [r["kimg"] for r in records] == [0.016, 0.032, 0.048, 0.064]
    finished(command(1, tiny_zip, tmp_path / "alone", "0.064"))
    (other,) = (tmp_path / "alone").iterdir()
    alone = [json.loads(line) for line in (other / "stats.jsonl").read_text().splitlines()]
    for key in ("loss/g", "loss/d", "r1"):
        assert [r[key] for r in records] == pytest.approx([r[key] for r in alone], rel=0.02)


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_and_saves(tiny_zip, tmp_path):
    with subprocess.Popen(
        command(2, tiny_zip, tmp_path, "100"), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as job:
        os.kill(workers(job, ticks=2)[1], signal.SIGINT)
        told = job.communicate(timeout=60)[1]
    assert job.returncode == 0 and "stopped by SIGINT" in told and "saved" in told


@pytest.mark.slow
def test_a_killed_process_ends_the_job_and_is_named(tiny_zip, tmp_path):
    with subprocess.Popen(
        command(2, tiny_zip, tmp_path, "100"), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as job:
        os.kill(workers(job)[1], signal.SIGKILL)
        started = time.monotonic()
        told = job.communicate(timeout=60)[1]
    assert job.returncode != 0 and time.monotonic() - started < 60
    assert "rank      : 1" in told and "SIGKILL" in told


@pytest.mark.slow
def test_restarts_of_torchrun_go_on(tiny_zip, tmp_path):
    """A process is killed once: torchrun starts all again, and the run ends as one that nobody disturbed."""
    auto = ("--resume", "auto", "--set", "keep_last=2")
    line = command(2, tiny_zip, tmp_path / "killed", "0.32", *auto, restarts=1)
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as job:
        os.kill(workers(job, ticks=2)[1], signal.SIGKILL)
        told = job.communicate(timeout=120)[1]
    assert job.returncode == 0, told
    (killed,) = (tmp_path / "killed").iterdir()
    assert re.search(r"parameters on cpu, from 0\.\d+ kimg", told)
    finished(command(2, tiny_zip, tmp_path / "straight", "0.32", *auto))
    (straight,) = (tmp_path / "straight").iterdir()
    assert len(files(killed, "000000.320")) == 3
    assert files(killed, "000000.320") == files(straight, "000000.320")


@pytest.mark.slow
def test_a_damaged_image_is_named_by_the_process_that_reads_it(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(200):
            archive.writestr(f"{index:03d}.png", draw(index % 40))
        member = archive.getinfo("002.png")  # not among those shown in reals.png
    data = bytearray(path.read_bytes())
    place = member.header_offset + 30 + len(member.filename) + member.file_size // 2
    data[place : place + 8] = bytes(8)
    path.write_bytes(data)
    plain = ("--set", "health.images=0", "--set", "data.conditional=false")
    line = command(2, path, tmp_path / "runs", "100", *plain)
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120, env=ENVIRONMENT)
    assert done.returncode != 0
    assert "002.png is damaged in the zip" in done.stderr and "internal error" not in done.stderr
    assert "another process of this job has ended" in done.stderr


def workers(job, ticks=1):
    """Process ids by rank after one tick, or after two, when the checkpoint of the first is whole."""
    told = (line for line in job.stderr if line.startswith("kimg 0.0/"))
    for _ in range(ticks):
        next(told)
    found = subprocess.run(["ps", "--ppid", str(job.pid), "-o", "pid="], capture_output=True, check=True)
    return sorted(int(pid) for pid in found.stdout.split())
