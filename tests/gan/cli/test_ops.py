"""gan ops: build and status, on a machine of fake programs."""

import json

import click
import pytest
from click.testing import CliRunner, Result

from gan.cli.main import COMMANDS, main
from ops import library


def run(*arguments: str) -> Result:
    """`gan ops` with these arguments."""
    return CliRunner().invoke(main, ["ops", *arguments])


def report() -> dict:
    """What `gan ops status --json` says about the CPU."""
    result = run("status", "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["targets"]["cpu"]


def test_build(machine):
    machine.tools()
    result = run("build")
    assert result.exit_code == 0, result.stderr
    target, path = result.stdout.split()
    assert target == "cpu" and path.startswith(str(machine.cache))
    assert run("build").stdout == result.stdout and machine.count() == 1
    assert run("build", "--force").stdout == result.stdout and machine.count() == 2


def test_build_for_cuda(machine, monkeypatch, tmp_path):
    monkeypatch.setattr("torch.version.cuda", "13.0")
    machine.tools()
    result = run("build", "--cuda")
    assert result.exit_code == 1 and "no nvcc of CUDA 13" in result.stderr
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    machine.nvcc(tmp_path / "cuda")
    result = run("build", "--cuda")
    assert result.exit_code == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["cpu", "cuda"]


def test_build_without_a_compiler(machine):
    result = run("build")
    assert result.exit_code == 1
    assert result.stderr.startswith("gan: error: no C++ compiler") and "Traceback" not in result.stderr


def test_build_tries_again_what_failed(machine):
    machine.tools(ninja="echo 'error: planted'; exit 1")
    for count in (1, 2):
        result = run("build")
        assert result.exit_code == 1 and "error: planted" in result.stderr
        assert machine.count() == count
    assert report()["state"] == "failed" and "error: planted" in report()["text"]


def test_status_builds_nothing(machine):
    assert report()["state"] == "unavailable"
    machine.tools()
    assert report()["state"] == "unbuilt" and "gan ops build" in report()["text"]
    assert machine.count() == 0


def test_status_of_a_library_that_does_not_load(machine):
    machine.tools()
    run("build")
    assert report()["state"] == "unavailable" and "--force" in report()["text"]


def test_status_of_the_real_kernels(kernels):
    found = report()
    assert found["state"] == "ready" and found["path"] == str(library.load("cpu"))
    result = run("status")
    assert result.stdout.startswith("GAN_OPS is ") and "\ncpu   ready: " in result.stdout


def test_wrong_mode(monkeypatch):
    monkeypatch.setenv("GAN_OPS", "fast")
    result = run("status")
    assert result.exit_code == 2
    assert result.stderr == "gan: error: GAN_OPS must be one of auto, fused, reference; got 'fast'\n"


@pytest.mark.parametrize(("kind", "code"), [(library.KernelError, 1), (library.ModeError, 2)])
def test_kernel_errors_of_other_commands_are_no_tracebacks(kind, code, monkeypatch):
    @click.command()
    def command():
        raise kind("no kernels; do this")

    monkeypatch.setattr("gan.cli.doctor.command", command)
    assert "doctor" in COMMANDS
    result = CliRunner().invoke(main, ["doctor"])
    assert (result.exit_code, result.stderr) == (code, "gan: error: no kernels; do this\n")


def test_timings_as_json(monkeypatch):
    found = {"device": "cpu", "copy_bytes_per_second": 2e9, "rows": [{"operator": "bias_act", "ms": 1.5}]}
    monkeypatch.setattr("ops.bench.measure", lambda *_, **__: found)
    monkeypatch.setattr("ops.bench.table", lambda rows: f"{len(rows)} row")
    assert json.loads(run("bench", "--device=cpu", "--json").stdout) == found
    assert run("bench", "--device=cpu").stdout == "cpu, float32; a copy moves 2.0 GB/s\n\n1 row\n"
