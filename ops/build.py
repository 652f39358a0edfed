"""Compiles `ops/csrc` with ninja, once per machine, into a folder of the cache named by all that goes in.

    ops/cpu-<recipe>-<compilers>/            gan_ops_cpu.so and manifest.json, complete or absent
    ops/cpu-<recipe>-<compilers>.lock        held by the process that builds; the system frees it
    ops/cpu-<recipe>-<compilers>.failed.log  what ninja said; while it is there, no process tries again; if it
                                             tells of a lack that passes (memory, disk), for ten minutes only
    ops/.tmp-cpu-...-<host>-<pid>/           a build at work; one of a killed process is swept by the next

Only this user and root may write there: a library that others could have put there is never loaded.
Wheels carry libraries of the same kind in `ops/prebuilt`; one that fits is preferred to compiling.
"""

import contextlib
import json
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ops import recipe as recipes
from ops.recipe import Recipe, Tools
from ops.toolchain import KernelError, ToolError

try:
    import fcntl
except ImportError:  # not a POSIX system: processes may build the same twice, the first to finish wins
    fcntl = None

PREBUILT = Path(__file__).resolve().parent / "prebuilt"
_LINES = 16  # of the compiler's output in a message
_PASSES = (
    600  # seconds for which a failure that passes is remembered, so that many processes do not all repeat it
)
_DAY = 86400  # seconds after which a build on another host is dead
# What compilers, linkers, ninja and the system say of memory, disk and signals.
_PASSING = re.compile(
    r"killed|kill signal|terminated (by|with) signal|ended by signal|died due to signal|interrupted by user|"
    r"out of memory|memory exhausted|cannot allocate memory|no space left on device|disk quota exceeded|"
    r"input/output error|stale file handle|resource temporarily unavailable|too many open files",
    re.IGNORECASE,
)


class BuildError(KernelError):
    """The compiler failed, now or earlier; the message holds its last lines."""


def cache_directory() -> Path:
    """$GAN_CACHE, or ~/.cache/gan. Raises KernelError for a user without a home."""
    try:
        return Path(os.environ.get("GAN_CACHE") or Path.home() / ".cache" / "gan")
    except RuntimeError as error:
        raise KernelError(
            "this user has no home folder; set GAN_CACHE to a folder for the kernels"
        ) from error


def library_name(target: str) -> str:
    """File name of the library for a target."""
    return f"gan_ops_{target}.so"


def prebuilt(target: str) -> Path | None:
    """The library for `target` that came with the wheel, if it fits this torch, CPU and GPU."""
    manifest = read_manifest(PREBUILT / f"{target}.json")
    path = PREBUILT / library_name(target)
    return path if manifest and path.is_file() and not recipes.unfit(manifest) else None


def built(target: str) -> Path | None:
    """The library for `target` in the cache; by any compiler if there is none now. Compiles nothing.

    Raises KernelError if others could have put it there.
    """
    try:
        paths = [_folder(recipes.recipe(target), recipes.tools(target)) / library_name(target)]
    except ToolError:
        prefix = f"{target}-{recipes.recipe(target).digest()}-*"
        paths = [folder / library_name(target) for folder in (cache_directory() / "ops").glob(prefix)]
    found = [path for path in paths if path.is_file()]
    path = max(found, key=lambda path: path.stat().st_mtime, default=None)
    if path:
        _refuse_if_writable_by_others(path.parent.parent, path.parent, path)
    return path


def failure(target: str) -> str:
    """Message of the build for `target` that failed earlier and is not tried again; "" if none did."""
    with contextlib.suppress(KernelError, OSError):
        log = _log(_folder(recipes.recipe(target), recipes.tools(target)))
        return _message(log) if _counts(log) else ""
    return ""


def build(target: str, *, retry: bool = False, force: bool = False) -> Path:
    """Path of the library for `target`, "cpu" or "cuda", compiled if the cache does not hold it.

    retry: try again what failed earlier; force: compile even what is there. A prebuilt one is not considered.
    Raises KernelError with the reason and the remedy.
    """
    if not force and (path := built(target)):
        return path
    recipe, tools = recipes.recipe(target), recipes.tools(target)
    folder = _folder(recipe, tools)
    try:
        folder.parent.parent.mkdir(parents=True, exist_ok=True)
        folder.parent.mkdir(mode=0o755, exist_ok=True)
        _refuse_if_writable_by_others(folder.parent)
        with _lock(folder):
            if not force and folder.is_dir():  # another process was faster
                return built(target) or folder / library_name(target)
            if not retry and not force and _counts(_log(folder)):
                raise BuildError(_message(_log(folder)))
            _compile(recipe, tools, folder)
    except OSError as error:
        raise KernelError(
            f"the {target} kernels cannot be built in {folder.parent}: {error.strerror or error}; set "
            "GAN_CACHE to a folder that can be written, then: gan ops build"
        ) from error
    return folder / library_name(target)


def prebuild(target: str, folder: Path) -> None:
    """Compile the library for any machine and put it with its manifest into `folder`, for a wheel."""
    recipe, tools = recipes.recipe(target, portable=True), recipes.tools(target)
    staging = folder / f".tmp-{target}"
    try:
        _run_ninja(recipe, tools, staging, portable=True)
        (staging / library_name(target)).replace(folder / library_name(target))
        (staging / "manifest.json").replace(folder / f"{target}.json")
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def read_manifest(path: Path) -> dict | None:
    """A library's manifest: the fields of Recipe, compilers, seconds. None if there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _folder(recipe: Recipe, tools: Tools) -> Path:
    return cache_directory() / "ops" / f"{recipe.target}-{recipe.digest()}-{tools.digest()}"


def _log(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.failed.log")


def _counts(log: Path) -> bool:
    """Whether an earlier failure is not to be repeated: for a lack that passes, only for a while."""
    try:
        passing = _PASSING.search(log.read_text(encoding="utf-8"))
        return not passing or time.time() - log.stat().st_mtime < _PASSES
    except OSError:
        return False


def _refuse_if_writable_by_others(*places: Path) -> None:
    """Raises KernelError for a folder or file that is not this user's or root's, or that others may write."""
    if not hasattr(os, "geteuid"):  # not a POSIX system
        return
    for place in places:
        status = place.stat()
        if status.st_uid not in (os.geteuid(), 0):
            raise KernelError(
                f"{place} belongs to user {status.st_uid}, and only your own or root's kernels are loaded; "
                "set GAN_CACHE to a folder of yours, then: gan ops build"
            )
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise KernelError(
                f"{place} can be written by others (mode {stat.S_IMODE(status.st_mode):o}), so no kernels "
                f"are loaded from it; rm -r {cache_directory() / 'ops'}, then: gan ops build"
            )


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One process at a time; the lock of a process that dies is freed by the system."""
    with folder.with_name(f"{folder.name}.lock").open("a") as file:
        if fcntl:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("gan: waiting for another process that builds the kernels ...", file=sys.stderr)
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compile(recipe: Recipe, tools: Tools, folder: Path) -> None:
    """Build in a folder beside `folder`, which it then becomes. Raises BuildError and keeps the log."""
    prefix = f".tmp-{folder.name}-"
    here = f"{prefix}{re.sub('[^A-Za-z0-9.]', '_', platform.node())}-"
    if fcntl:  # nobody else is at work on this one, on this host: not every shared disk has locks
        for leftover in folder.parent.glob(f"{prefix}*"):
            if leftover.name.startswith(here) or time.time() - leftover.stat().st_mtime > _DAY:
                shutil.rmtree(leftover, ignore_errors=True)
    staging, log = folder.with_name(f"{here}{os.getpid()}"), _log(folder)
    try:
        _run_ninja(recipe, tools, staging)
        log.unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
        staging.rename(folder)
    except BuildError as error:
        log.unlink(missing_ok=True)
        unfinished = log.with_name(f".{log.name}")  # a full disk would leave half of it
        unfinished.write_text(str(error), encoding="utf-8")
        unfinished.replace(log)
        raise BuildError(_message(log)) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _run_ninja(recipe: Recipe, tools: Tools, staging: Path, *, portable: bool = False) -> None:
    """Library and manifest in the new folder `staging`. Raises BuildError with all that ninja said."""
    name, started = library_name(recipe.target), time.monotonic()
    staging.mkdir(parents=True, mode=0o755)
    text = recipes.ninja_file(recipe, tools, name, portable=portable)
    (staging / "build.ninja").write_text(text, encoding="utf-8")
    print(f"gan: building the {recipe.target} kernels, once for this machine ...", file=sys.stderr)
    output = []
    with subprocess.Popen(
        [tools.ninja.path],
        cwd=staging,
        env={**os.environ, "NINJA_STATUS": "[%f/%t] "},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        for line in process.stdout:
            output.append(line.decode(errors="replace"))
            if sys.stderr.isatty() and output[-1].startswith("["):
                print(f"\rgan: {output[-1].partition(' ')[0]} files", end="", file=sys.stderr, flush=True)
    end = "\n" if sys.stderr.isatty() else ""
    if process.returncode or not (staging / name).is_file():
        print(end, end="", file=sys.stderr)
        if process.returncode < 0:
            output.append(f"ninja was ended by signal {-process.returncode}\n")
        raise BuildError("".join(output) or f"ninja ended with code {process.returncode} and said nothing")
    for path in staging.glob("*.o"):
        path.unlink()
    (staging / name).chmod(0o755)
    seconds = round(time.monotonic() - started, 1)
    print(f"{end}gan: built the {recipe.target} kernels in {seconds} s", file=sys.stderr)
    manifest = {
        **recipe._asdict(),
        "compiler": tools.compiler.version,
        "nvcc": tools.nvcc and tools.nvcc.version,
        "seconds": seconds,
    }
    (staging / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _message(log: Path) -> str:
    """What went wrong: the last lines of the log, and what to do."""
    text = log.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip()]
    shown = [f"  {line[:200]}" for line in lines[-_LINES:] if not line.startswith("ninja: build stopped")]
    remedy = "install what is missing, or name another compiler with CXX, then: gan ops build"
    if _PASSING.search(text):
        remedy = (
            f"memory or disk ran out, or it was stopped; free some, then: gan ops build (a start more than "
            f"{_PASSES // 60} minutes later tries again by itself)"
        )
    return "\n".join(["the kernels do not compile:", *shown, f"all of it: {log}", remedy])
