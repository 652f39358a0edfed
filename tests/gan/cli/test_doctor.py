"""gan doctor: what it finds on machines that lack something."""

import json
import sys

import pytest
import torch
from click.testing import CliRunner, Result

from gan.cli.main import main
from gan.jobs import doctor


def run(*arguments: str) -> Result:
    """`gan doctor` with these arguments."""
    return CliRunner().invoke(main, ["doctor", *arguments])


def findings(code: int = 0) -> dict:
    """Name -> finding of `gan doctor --json`, which must exit with `code`."""
    result = run("--json")
    assert result.exit_code == code, result.output
    found = json.loads(result.stdout)
    assert found["ready"] is (code == 0)
    return {check["name"]: check for check in found["checks"]}


def test_healthy(kernels):
    found = findings()
    states = {name: check["state"] for name, check in found.items()}
    needed = ("Python", "packages", "PyTorch", "C++ compiler", "ninja", "GAN_OPS", "cpu kernels", "cache")
    assert {name: states[name] for name in needed} == dict.fromkeys(needed, "ok")
    assert torch.__version__ in found["PyTorch"]["text"] and "ready" in found["cpu kernels"]["text"]


def test_bare_machine_can_train_and_is_told_what_to_install(machine):
    found = findings()
    for name, remedy in (
        ("C++ compiler", "install one"),
        ("ninja", "pip install ninja"),
        ("cpu kernels", "gan ops build"),
    ):
        assert found[name]["state"] == "note"
        assert remedy in found[name]["text"] + found[name]["remedy"]
    text = run().stdout
    assert text.endswith("Training can start.\n") and "note     ninja" in text and " -> pip install" in text


def test_failed_build(machine):
    machine.tools(ninja="echo 'error: planted'; exit 1")
    CliRunner().invoke(main, ["ops", "build"])
    assert "error: planted" in findings()["cpu kernels"]["text"]


def test_demanded_kernels_are_a_problem(machine, monkeypatch):
    monkeypatch.setenv("GAN_OPS", "fused")
    assert findings(1)["cpu kernels"]["state"] == "problem"
    assert "cannot start" in run().stdout


def test_wrong_mode(monkeypatch):
    monkeypatch.setenv("GAN_OPS", "fast")
    assert findings(1)["GAN_OPS"]["remedy"] == "unset GAN_OPS"


def test_broken_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    found = findings(1)
    assert found["PyTorch"]["state"] == "problem" and "pip install torch" in found["PyTorch"]["remedy"]
    assert "GPU" not in found


def test_old_torch(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.4.0")
    assert findings(1)["PyTorch"]["remedy"] == "pip install --upgrade torch torchvision"


@pytest.mark.parametrize("folder", ["file/cache", "file"])
def test_cache_that_cannot_be_written(folder, machine, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / folder))
    assert findings()["cache"]["state"] == "note"


def test_size_of_the_cache(machine):
    (machine.cache / "statistics").mkdir(parents=True)
    (machine.cache / "statistics" / "x").write_bytes(bytes(2_500_000))
    assert findings()["cache"]["text"] == f"{machine.cache}, 2.5 MB"


def test_not_installed(monkeypatch):
    monkeypatch.setattr(doctor, "DISTRIBUTION", "no-such-distribution")
    assert findings()["packages"]["remedy"] == "in its folder: pip install -e ."
