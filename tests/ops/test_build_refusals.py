"""What a build remembers of failures, and what it refuses to load; with fake compilers."""

import errno
import os
import platform
import re
import shutil
import time

import pytest
import torch

from ops import build, library
from ops.build import BuildError
from ops.status import kernel_state
from ops.toolchain import KernelError
from tests.fake_machine import FAILS, SLOWLY

LACKS = (
    "echo 'g++: fatal error: Killed signal terminated program cc1plus'; exit 1",
    "echo 'collect2: fatal error: ld terminated with signal 9 [Killed]'; exit 1",
    "echo 'virtual memory exhausted: Cannot allocate memory'; exit 1",
    'echo "fatal error: error writing to /tmp/x.s: No space left on device"; exit 1',
    "echo 'ninja: build stopped: interrupted by user.'; exit 130",
    "kill -9 $$",
)


@pytest.mark.parametrize("lack", LACKS)
def test_failure_that_passes_is_remembered_for_minutes_only(lack, machine):
    """Not repeated by every process of a job that starts now, but by one that starts later."""
    machine.tools(ninja=lack)
    for _ in range(2):
        with pytest.raises(BuildError, match="free some, then: gan ops build"):
            build.build("cpu")
    assert machine.count() == 1 and "free some" in build.failure("cpu")
    [log] = (machine.cache / "ops").glob("*.failed.log")
    earlier = time.time() - build._PASSES - 1
    os.utime(log, (earlier, earlier))
    assert build.failure("cpu") == ""
    machine.tools()
    assert build.build("cpu").is_file() and build.failure("cpu") == ""


def test_failure_of_the_sources_is_remembered_for_ever(machine):
    machine.tools(ninja=FAILS)
    with pytest.raises(BuildError):
        build.build("cpu")
    [log] = (machine.cache / "ops").glob("*.failed.log")
    os.utime(log, (0, 0))
    with pytest.raises(BuildError, match="planted"):
        build.build("cpu")
    assert machine.count() == 1


def test_log_that_cannot_be_written_is_no_failure_to_remember(machine, monkeypatch):
    """A full disk would leave half a log."""
    machine.tools(ninja=FAILS)
    write = build.Path.write_text

    def full(path, text, **options):
        if path.name.endswith(".failed.log"):
            write(path, "", **options)
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, text, **options)

    with monkeypatch.context() as patch:
        patch.setattr(build.Path, "write_text", full)
        with pytest.raises(KernelError, match="cannot be built in .*No space left"):
            build.build("cpu")
    assert build.failure("cpu") == ""
    machine.tools()
    assert build.build("cpu").is_file()


def places(machine, path) -> dict:
    """What a library is loaded from."""
    return {"cache": machine.cache / "ops", "folder": path.parent, "library": path}


@pytest.mark.parametrize("mode", [0o020, 0o002])
@pytest.mark.parametrize("place", ["cache", "folder", "library"])
def test_what_others_can_write_is_never_loaded(place, mode, machine, monkeypatch):
    machine.tools()
    path = build.build("cpu")
    opened = []
    monkeypatch.setattr(torch.ops, "load_library", opened.append)
    target = places(machine, path)[place]
    target.chmod(0o755 | mode)
    for refused in (lambda: build.built("cpu"), lambda: build.build("cpu"), lambda: library.load("cpu")):
        with pytest.raises(KernelError, match=f"{re.escape(str(target))} can be written by others.*rm -r"):
            refused()
    assert opened == [] and kernel_state("cpu")["state"] == "unavailable"
    shutil.rmtree(machine.cache / "ops")  # the remedy
    assert build.build("cpu") == path


@pytest.mark.parametrize("place", ["cache", "folder", "library"])
def test_what_belongs_to_another_user_is_never_loaded(place, machine, monkeypatch):
    machine.tools()
    path = build.build("cpu")
    foreign, own = str(places(machine, path)[place]), build.Path.stat

    def status(self, **options):
        found = list(own(self, **options))
        if str(self) == foreign:
            found[4] = 4242
        return os.stat_result(found)

    monkeypatch.setattr(build.Path, "stat", status)
    for refused in (build.built, build.build):
        with pytest.raises(KernelError, match="belongs to user 4242.*set GAN_CACHE to a folder of yours"):
            refused("cpu")


def test_what_is_built_can_be_written_by_nobody_else(machine):
    """Whatever the user's mask is."""
    machine.tools(ninja=f"umask 0; {SLOWLY}")
    mask = os.umask(0)
    try:
        path = build.build("cpu")
    finally:
        os.umask(mask)
    assert [place.stat().st_mode & 0o022 for place in places(machine, path).values()] == [0, 0, 0]


def test_builds_on_other_hosts_are_left_alone_for_a_day(machine, monkeypatch):
    """Where a shared disk has no locks, another host may be at work on the same folder."""
    machine.tools(ninja=f"basename $PWD >> ../../staging; {SLOWLY}")
    path = build.build("cpu")
    [staging] = (machine.cache / "staging").read_text().split()
    host = re.sub("[^A-Za-z0-9.]", "_", platform.node())
    assert staging == f".tmp-{path.parent.name}-{host}-{os.getpid()}"
    names = {
        name: path.parent.with_name(f".tmp-{path.parent.name}-{name}")
        for name in ("elsewhere-1", "old-1", f"{host}-1")
    }
    for folder in names.values():
        folder.mkdir()
    os.utime(names["old-1"], (0, 0))
    build.build("cpu", force=True)
    assert [folder.exists() for folder in names.values()] == [True, False, False]
