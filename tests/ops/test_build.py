"""Builds that succeed, fail, race or are killed; with fake compilers but where the name says real."""

import ctypes
import json
import multiprocessing
import os
import re
import shutil
import signal
import time

import pytest
import torch

from gan.files import cache_folder
from ops import build, recipe, toolchain
from ops.build import BuildError
from ops.toolchain import KernelError, ToolError
from tests.fake_machine import FAILS, SLOWLY


@pytest.fixture
def real(machine, monkeypatch):
    """The machine with its real programs."""
    monkeypatch.undo()
    for name in ("g++", "c++", "clang++"):
        if shutil.which(name):
            return
    pytest.skip("no C++ compiler")


def entries(machine) -> list[str]:
    """Names of what the cache holds, without locks."""
    return sorted(path.name for path in (machine.cache / "ops").iterdir() if path.suffix != ".lock")


def test_builds_once_and_says_for_what(machine, capfd):
    machine.tools()
    path = build.build("cpu")
    assert path.name == "gan_ops_cpu.so" and machine.cache in path.parents
    assert build.build("cpu") == path == build.built("cpu")
    assert machine.count() == 1
    manifest = build.read_manifest(path.with_name("manifest.json"))
    assert manifest["torch"] == torch.__version__ and manifest["compiler"] == "g++ 1.0"
    assert set(manifest["instructions"]) <= toolchain.cpu_flags() and recipe.unfit(manifest) == ""
    assert "building the cpu kernels" in capfd.readouterr().err
    build.build("cpu", force=True)
    assert machine.count() == 2 and len(entries(machine)) == 1


def test_cache_is_that_of_the_metrics(monkeypatch, tmp_path):
    assert build.cache_directory() == cache_folder()
    monkeypatch.delenv("GAN_CACHE")
    assert build.cache_directory() == cache_folder()


def change_sources(machine, patch):
    (machine.sources / "toy.h").write_text("// another\n")


def change_compiler(machine, patch):
    machine.program("g++", "", version="g++ 2.0")


def change_torch(machine, patch):
    patch.setattr(torch, "__version__", "2.13.0+cpu")


def change_flags(machine, patch):
    patch.setattr(recipe, "FLAGS", ("-O1",))


def change_cpu(machine, patch):
    patch.setattr(toolchain, "cpu_flags", lambda: frozenset({"sse2"}))


def change_options(machine, patch):
    patch.setenv("CXX", "g++ -O1")


CHANGES = (change_sources, change_compiler, change_torch, change_flags, change_cpu, change_options)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_ingredient_names_the_folder(change, machine, monkeypatch):
    machine.tools()
    first = build.build("cpu")
    change(machine, monkeypatch)
    assert build.built("cpu") is None
    second = build.build("cpu")
    assert first != second and first.is_file() and second.is_file()  # side by side


def test_a_machine_without_known_instructions_gets_kernels_for_all_of_its_name(machine, monkeypatch):
    """Its name alone would load what was compiled for a newer CPU of the same name."""
    assert any("native" in flag for flag in recipe.recipe("cpu").flags)
    monkeypatch.setattr(toolchain, "cpu_flags", frozenset)
    plain = recipe.recipe("cpu")
    assert not any("native" in flag for flag in plain.flags) and plain.instructions == []
    assert recipe.unfit(plain._asdict()) == ""


def test_architectures_name_the_folder_of_cuda(machine, monkeypatch, tmp_path):
    machine.tools()
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    machine.nvcc(tmp_path / "cuda")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(recipe, "gpus", lambda: [(8, 6)])
    first = build.build("cuda")
    assert build.read_manifest(first.with_name("manifest.json"))["architectures"] == ["8.6"]
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "9.0")
    assert build.build("cuda") != first
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(KernelError, match="without CUDA"):
        build.build("cuda")


def test_old_torch(machine, monkeypatch):
    machine.tools()
    monkeypatch.setattr(torch, "__version__", "2.9.1")
    with pytest.raises(KernelError, match="2.9.1 is older than 2.10.*pip install --upgrade torch"):
        build.build("cpu")


@pytest.mark.parametrize("missing", ["g++", "ninja"])
def test_missing_tool_uses_what_is_built_or_says_what_to_install(missing, machine):
    machine.tools()
    (machine.bin / missing).rename(machine.bin / "hidden")
    with pytest.raises(ToolError, match="install"):
        build.build("cpu")
    (machine.bin / "hidden").rename(machine.bin / missing)
    path = build.build("cpu")
    (machine.bin / missing).unlink()
    assert build.build("cpu") == path


def test_failure_is_remembered_until_retried(machine):
    machine.tools(ninja=FAILS)
    assert build.failure("cpu") == ""
    for _ in range(2):
        with pytest.raises(BuildError, match="(?s)do not compile.*error: planted.*gan ops build") as caught:
            build.build("cpu")
        assert "build stopped" not in str(caught.value)
    assert machine.count() == 1
    assert build.failure("cpu") == str(caught.value)
    with pytest.raises(BuildError):
        build.build("cpu", retry=True)
    assert machine.count() == 2
    machine.tools()
    with pytest.raises(BuildError):  # ninja is not what failed
        build.build("cpu")
    path = build.build("cpu", retry=True)
    assert path.is_file() and build.failure("cpu") == "" and entries(machine) == [path.parent.name]


def test_silent_failure(machine):
    machine.tools(ninja="exit 0")
    with pytest.raises(BuildError, match="ninja ended with code 0 and said nothing"):
        build.build("cpu")


def test_cache_that_cannot_be_made(machine, monkeypatch, tmp_path):
    machine.tools()
    (tmp_path / "file").touch()
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(KernelError, match="cannot be built in .*set GAN_CACHE"):
        build.build("cpu")


def test_read_only_cache_serves_what_it_holds(machine, monkeypatch):
    machine.tools()
    path = build.build("cpu")
    monkeypatch.setattr(build, "_lock", None)  # to lock would be to write
    assert build.build("cpu") == path


def test_no_home(machine, monkeypatch):
    def fail():
        raise RuntimeError("no home")

    monkeypatch.setattr(build.Path, "home", fail)
    monkeypatch.delenv("GAN_CACHE")
    machine.tools()
    with pytest.raises(KernelError, match="no home folder; set GAN_CACHE"):
        build.build("cpu")


def run_together(count: int) -> list[int]:
    """Exit codes of processes that all build at once."""
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=build.build, args=("cpu",)) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_many_processes_build_once(machine):
    machine.tools(ninja=f"sleep 0.3; {SLOWLY}")
    assert run_together(6) == [0] * 6
    assert machine.count() == 1 and len(entries(machine)) == 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_many_processes_fail_once(machine):
    machine.tools(ninja=f"sleep 0.3; {FAILS}")
    assert run_together(4) == [1] * 4
    assert machine.count() == 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_build_is_taken_up(machine, tmp_path):
    """The lock of a killed process is free, although its ninja still runs; what it left is swept."""
    machine.tools(ninja=f": > gan_ops_cpu.so; echo $$ > '{tmp_path}/pid'; exec sleep 60")
    process = multiprocessing.get_context("fork").Process(target=build.build, args=("cpu",))
    process.start()
    try:
        while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text().strip():
            assert process.is_alive()
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.join(10)
        assert len(entries(machine)) == 1 and entries(machine)[0].startswith(".tmp-")
        assert build.built("cpu") is None
        machine.tools()
        path = build.build("cpu")
        assert entries(machine) == [path.parent.name]
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def carry(machine, tmp_path) -> dict:
    """A wheel's prebuilt library that fits, and its manifest."""
    machine.tools()
    build.PREBUILT.mkdir()
    build.prebuild("cpu", build.PREBUILT)
    assert sorted(path.name for path in build.PREBUILT.iterdir()) == ["cpu.json", "gan_ops_cpu.so"]
    return json.loads((build.PREBUILT / "cpu.json").read_text())


def test_prebuilt_that_fits(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(toolchain, "cpu_flags", lambda: frozenset(toolchain.X86_64_V3))
    assert build.prebuilt("cpu") is None
    manifest = carry(machine, tmp_path)
    assert build.prebuilt("cpu") == build.PREBUILT / "gan_ops_cpu.so"
    assert "-march=native" not in manifest["flags"]


CUDA = {"target": "cuda", "cuda": "13.0", "architectures": ["8.0", "9.0+PTX"]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"torch_needed": "99.0"}, "needs torch 99.0"),
        ({"machine": "pdp11"}, "for pdp11"),
        ({"instructions": ["sse2", "warp9"]}, "lacks .*warp9"),
        ({"sources": "0"}, "other sources"),
        ({**CUDA, "cuda": "12.8"}, "CUDA 12.8"),
        ({**CUDA, "architectures": ["9.0"]}, "nothing for compute capability 8.6"),
    ],
)
def test_library_that_does_not_fit(change, reason, machine, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(recipe, "gpus", lambda: [(8, 6)])
    fits = recipe.recipe("cpu")._asdict()
    assert recipe.unfit(fits) == "" and recipe.unfit({**fits, **CUDA}) == ""
    assert re.search(reason, recipe.unfit({**fits, **change}))


def test_real_build_below_a_path_with_spaces(real, monkeypatch, tmp_path):
    sources = tmp_path / "some $sources: of mine"
    sources.mkdir()
    (sources / "toy.h").write_text("#define TOY 42\n")
    (sources / "toy one.cpp").write_text(
        '#include "toy.h"\nextern "C" __attribute__((visibility("default"))) int toy() { return TOY; }\n'
    )
    monkeypatch.setattr(recipe, "SOURCES", sources)
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "a cache"))
    path = build.build("cpu")
    assert ctypes.CDLL(str(path)).toy() == 42
    assert sorted(p.suffix for p in path.parent.iterdir() if p.name[0] != ".") == [".json", ".ninja", ".so"]


def test_real_build_through_a_launcher(real, monkeypatch, tmp_path):
    """CXX="ccache g++ -DTOY=42" stands for all of these words in every command."""
    launcher = tmp_path / "some launchers" / "ccache"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/launched"\nexec "$@"\n')
    launcher.chmod(0o755)
    (tmp_path / "toy.cpp").write_text(
        'extern "C" __attribute__((visibility("default"))) int toy() { return TOY; }\n'
    )
    monkeypatch.setattr(recipe, "SOURCES", tmp_path)
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", f"'{launcher}' {toolchain.compiler().path} -DTOY=42")
    assert ctypes.CDLL(str(build.build("cpu"))).toy() == 42
    launched = (tmp_path / "launched").read_text()
    assert " -c " in launched and "-shared" in launched


def test_real_compiler_error(real, monkeypatch, tmp_path):
    (tmp_path / "toy.cpp").write_text("#error planted\n")
    monkeypatch.setattr(recipe, "SOURCES", tmp_path)
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BuildError, match="error: .?#error planted|error: planted"):
        build.build("cpu")
    (tmp_path / "toy.cpp").write_text("int absent();\nint toy() { return absent(); }\n")
    with pytest.raises(BuildError, match="absent"):  # at the link, not when it is loaded
        build.build("cpu")
