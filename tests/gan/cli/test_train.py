"""`gan train` as typed: dry run, a whole tiny run, Ctrl-C, ten mistakes, kill -9."""

import io
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from gan.cli.main import main

SMALL = [
    *(f"--set={n}.channel_base=64" for n in ("generator", "discriminator")),
    *(f"--set={n}.channel_max=8" for n in ("generator", "discriminator")),
    "--set=generator.z_dim=8",
    "--set=generator.w_dim=8",
    "--set=generator.mapping.layers=2",
    "--batch=4",
    "--set=tick_kimg=0.008",
    "--set=snapshot_ticks=1",
    "--device=cpu",
]


def invoke(*arguments):
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


def test_dry_run_prints_a_config_that_loads(tiny_zip, tmp_path):
    result = invoke(
        "--data", tiny_zip, "--preset", "stylegan2-tiny", "--kimg", 7, "--out", tmp_path, "--dry-run", *SMALL
    )
    assert result.exit_code == 0
    config = yaml.safe_load(result.stdout)
    assert config["kimg"] == 7 and config["generator"]["resolution"] == 16
    assert config["loss"]["r1_gamma"] > 0 and "r1_gamma" in result.stdout.splitlines()[0]
    assert not list(tmp_path.iterdir())


def test_a_tiny_run_leaves_what_the_contract_lists(tiny_zip, tmp_path):
    result = invoke(
        "--data", tiny_zip, "--preset", "stylegan2-tiny", "--kimg", 0.016, "--out", tmp_path, *SMALL
    )
    assert result.exit_code == 0, result.output
    run = Path(result.stdout.strip())
    assert run == tmp_path / "00000-stylegan2-tiny-tiny-16"
    for name in ("config.yaml", "environment.json", "log.txt", "reals.png", "fakes-000000.016.png"):
        assert (run / name).stat().st_size > 0
    assert list(run.glob("events.out.tfevents.*"))
    last = json.loads((run / "stats.jsonl").read_text().splitlines()[-1])
    health = "health health/diversity health/coverage health/gap weight_norm/g weight_norm/d nonfinite"
    keys = "kimg tick seconds sec_per_kimg loss/g loss/d logits/real logits/fake r1 path_length augment/p"
    keys += " steps nonfinite_steps"
    assert set(f"{keys} phase grad_norm/g grad_norm/d diversity memory_gib {health}".split()) == last.keys()
    assert "ETA" in result.stderr and "kimg" in result.stderr
    names = {p.name for p in (run / "checkpoints" / "000000.016").iterdir()}
    weights = {f"{n}.safetensors" for n in ("generator", "discriminator", "training")}
    assert names == weights | {"config.json", "training.json", "card.md", "manifest.json"}


def test_on_collapse_is_a_setting(tiny_zip):
    result = invoke(
        "--data", tiny_zip, "--preset=stylegan2-tiny", "--on-collapse=rollback", "--dry-run", *SMALL
    )
    assert yaml.safe_load(result.stdout)["health"]["on_collapse"] == "rollback"
    nothing = ["--on-collapse=rollback", "--set", "health.remedies=[gamma]", "--set", "loss.r1_gamma=0"]
    result = invoke("--data", tiny_zip, "--preset=stylegan2-tiny", "--dry-run", *SMALL, *nothing)
    assert result.exit_code == 2 and "add d_lr" in result.stderr
    assert invoke("--data", tiny_zip, "--on-collapse=panic").exit_code == 2


def test_time_limit_saves_and_stops(tiny_zip, tmp_path):
    result = invoke(
        "--data", tiny_zip, "--preset=stylegan2-tiny", "--max-minutes=1e-6", "--out", tmp_path, *SMALL
    )
    assert result.exit_code == 0 and "time is up" in result.stderr
    program, command, *typed = shlex.split(result.stderr.split("Go on with ")[1].splitlines()[0])
    assert (program, command) == ("gan", "train") and invoke(*typed, "--dry-run").exit_code == 0
    assert (Path(result.stdout.strip()) / "checkpoints" / "000000.004" / "manifest.json").is_file()


def test_a_size_that_cannot_be_made_names_the_nearest(tmp_path):
    path = packed(tmp_path, a=png((17, 64)))
    result = invoke("--data", path, "--preset=stylegan2-tiny", "--out", tmp_path / "runs", *SMALL)
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert str(path) in result.stderr and "crop them to 16x64 or pad them to 20x64" in result.stderr


def png(side=(16, 16), mode="RGB", level=90):
    buffer = io.BytesIO()
    dtype = np.uint16 if mode == "I;16" else np.uint8
    shape = (*side, 3) if mode == "RGB" else side
    Image.fromarray(np.full(shape, level, dtype)).save(buffer, format="PNG")
    return buffer.getvalue()


def packed(folder, **members):
    path = folder / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.png", content)
    return path


BAD_DATA = {
    "empty zip": ({}, "set.zip is empty"),
    "16-bit": ({"a": png(mode="I;16")}, "8-bit"),
    "text": ({"a": b"hello, I am not an image"}, "a.png"),
    "truncated": ({"a": png()[:40]}, "a.png"),
    "odd size": ({f"{i}": png((16, 16) if i else (32, 32)) for i in range(8)}, "one size"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_is_one_line_with_a_remedy(case, tmp_path):
    members, message = BAD_DATA[case]
    path = packed(tmp_path, **members)
    result = invoke(
        "--data", path, "--preset=stylegan2-tiny", "--kimg=0.1", "--out", tmp_path / "runs", *SMALL
    )
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if "gan: error" in line]
    assert len(errors) == 1 and errors[0].startswith("gan: error:") and message in errors[0]
    assert "Traceback" not in result.output
    assert str(path) in errors[0]


def test_bad_options_are_one_line_with_a_remedy(tiny_zip, tmp_path):
    (tmp_path / "file").write_text("in the way")
    cases = [
        (["--data", tmp_path / "missing.zip"], 1, "missing.zip"),
        (["--data", tiny_zip, "--preset", "dmeo"], 2, "demo"),
        (["--data", tiny_zip, "--set", "loss.gama=3"], 2, "loss.r1_gamma"),
        (["--data", tiny_zip, "--set", "generator.w_dim=wide"], 2, "generator.w_dim"),
        (
            ["--data", tiny_zip, "--out", tmp_path / "file" / "runs", "--preset=stylegan2-tiny"],
            1,
            "choose another --out",
        ),
        (["--data", tiny_zip, "--preset=stylegan2-tiny", "--metrics", "fd-untraind"], 2, "fd-untrained"),
        (["--data", tiny_zip, "--set", "data.path=b.zip"], 2, "data.path=b.zip differ: leave out --set"),
        (
            ["--data", tiny_zip, "--init-from=a", "--set=init_from=b"],
            2,
            "--init-from a and --set init_from=b",
        ),
        (["--data", tiny_zip, "--init-from=a", "--freeze-d=200"], 2, "has 7 convolutions before its head"),
        (["--data", tiny_zip, "--preset=stylegan2-tiny", "--resume", tmp_path / "nowhere"], 1, "nowhere"),
    ]
    for arguments, code, message in cases:
        result = invoke(*arguments)
        assert result.exit_code == code, result.output
        assert message in result.stderr and len(result.stderr.splitlines()) == 1, result.stderr


def start(data, out, kimg):
    """`gan train --resume auto` in a process of its own, with a checkpoint every ten steps."""
    command = [
        sys.executable,
        "-m",
        "gan",
        "train",
        "--data",
        str(data),
        "--preset",
        "stylegan2-tiny",
        "--out",
        str(out),
    ]
    return subprocess.Popen(
        [*command, "--kimg", str(kimg), "--resume", "auto", *SMALL, "--set=tick_kimg=0.04"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """(exit code, what it said)."""
    _, errors = process.communicate(timeout=300)
    return process.returncode, errors


def wait_for_checkpoint(out, process):
    while not list(out.glob("*/checkpoints/0*/manifest.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


@pytest.mark.slow
def test_ctrl_c_saves_and_exits_cleanly(tiny_zip, tmp_path):
    process = start(tiny_zip, tmp_path, kimg=1000)
    wait_for_checkpoint(tmp_path, process)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    code, errors = finish(process)
    assert code == 0 and "stopped by SIGINT" in errors and "Traceback" not in errors
    saved = sorted(tmp_path.glob("*/checkpoints/*"))
    assert len(saved) > 1 and all((folder / "manifest.json").is_file() for folder in saved)


@pytest.mark.slow
def test_kill_minus_9_loses_nothing(tiny_zip, tmp_path):
    begun = time.monotonic()
    process = start(tiny_zip, tmp_path / "straight", kimg=1.2)
    wait_for_checkpoint(tmp_path / "straight", process)
    training = time.monotonic()
    assert finish(process)[0] == 0
    startup, training = training - begun, time.monotonic() - training
    moments = random.Random(0)
    for _ in range(5):  # each session may do up to a sixth of the work
        process = start(tiny_zip, tmp_path / "killed", kimg=1.2)
        time.sleep(startup + moments.uniform(0, training / 6))
        process.kill()
        assert finish(process)[0] == -signal.SIGKILL, "the run ended before it could be killed"
    assert finish(start(tiny_zip, tmp_path / "killed", kimg=1.2))[0] == 0
    runs = [next((tmp_path / name).glob("*/checkpoints/000001.200")) for name in ("straight", "killed")]
    for name in ("generator", "discriminator", "training"):
        straight, killed = ((run / f"{name}.safetensors").read_bytes() for run in runs)
        assert straight == killed, name
    assert not list((tmp_path / "killed").glob("*/checkpoints/.tmp-*"))
