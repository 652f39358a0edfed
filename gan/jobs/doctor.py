"""What this machine has for training, what is missing, and what to type.

Torch is imported late: where it does not load, that is a finding.
"""

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from typing import NamedTuple

from gan.errors import install

DISTRIBUTION = "gan-workbench"
OLDEST_TORCH = (2, 9)
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[([\w,-]+)\])?[^;]*(?:;(.*))?")


class Check(NamedTuple):
    """One finding. A problem keeps training from starting, a note does not."""

    name: str
    state: str  # "ok", "note" or "problem"
    text: str
    remedy: str = ""


def checks() -> Iterator[Check]:
    """All findings, those that others depend on first. Builds and downloads nothing."""
    yield _python()
    yield from _packages()
    torch = _torch()
    yield torch
    if torch.state != "problem":
        yield _gpu()
        yield from _tools()
        yield from _kernels()
    yield _cache()


def absent(distribution: str, extra: str | None = None) -> list[str]:
    """Packages that an installed distribution, or one of its extras, asks for and that are not installed.

    Versions are not compared. Raises PackageNotFoundError if the distribution itself is not installed.
    """
    missing = []
    for found in filter(None, map(_REQUIREMENT.match, metadata.requires(distribution) or ())):
        name, extras, marker = found.groups()
        of = re.search(r"extra\s*==\s*[\"']([\w-]+)", marker or "")
        system = re.search(r"sys_platform\s*==\s*[\"'](\w+)", marker or "")
        if (of and of[1]) != extra or (system and system[1] != sys.platform):
            continue
        try:
            metadata.version(name)
            for inner in (extras or "").split(",") if extras else ():
                missing += absent(name, inner)
        except metadata.PackageNotFoundError:
            missing.append(name)
    return missing


def _python() -> Check:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    return Check("Python", "ok", text)


def _packages() -> Iterator[Check]:
    """The packages that every installation needs, then each extra."""
    try:
        missing = absent(DISTRIBUTION)
        extras = metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        yield Check("packages", "note", f"{DISTRIBUTION} is not installed", "in its folder: pip install -e .")
        return
    if missing:
        yield Check(
            "packages", "problem", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}"
        )
    else:
        yield Check("packages", "ok", "all that an installation needs")
    for extra in extras:
        if extra == "all":
            continue
        if missing := absent(DISTRIBUTION, extra):
            yield Check(f"extra {extra}", "note", f"missing: {', '.join(missing)}", install(extra))
        else:
            yield Check(f"extra {extra}", "ok", "installed")


def _torch() -> Check:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library that it needs does not load
        return Check("PyTorch", "problem", f"does not import: {error}", "pip install torch torchvision")
    text = f"{torch.__version__}, {torch.get_num_threads()} threads"
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < OLDEST_TORCH:
        return Check("PyTorch", "problem", text, "pip install --upgrade torch torchvision")
    return Check("PyTorch", "ok", text)


def _gpu() -> Check:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Check("GPU", "ok", f"{', '.join(names)} (CUDA {torch.version.cuda})")
    if shutil.which("nvidia-smi") is None:
        return Check("GPU", "note", "none for CUDA: training runs on the CPU, much more slowly")
    if torch.version.cuda is None:
        remedy = "install a PyTorch with CUDA: pytorch.org/get-started"
        return Check(
            "GPU", "note", "there is a driver of NVIDIA, but this PyTorch is built without CUDA", remedy
        )
    text = f"there is a driver of NVIDIA, but PyTorch (CUDA {torch.version.cuda}) cannot use it"
    return Check("GPU", "note", text, "see what nvidia-smi says; the driver may be older than PyTorch needs")


def _tools() -> Iterator[Check]:
    """What builds the kernels; nvcc only where PyTorch has CUDA."""
    import torch

    from ops import toolchain

    finders: dict[str, Callable] = {"C++ compiler": toolchain.compiler, "ninja": toolchain.ninja}
    if torch.version.cuda:
        finders["nvcc"] = partial(toolchain.nvcc, torch.version.cuda)
    for name, find in finders.items():
        try:
            tool = find()
            yield Check(name, "ok", f"{tool.version}, {tool.path}")
        except toolchain.ToolError as error:
            yield Check(name, "note", *_split(str(error)))


def _kernels() -> Iterator[Check]:
    """GAN_OPS, and the fused kernels for both types of device."""
    import torch

    from ops import library
    from ops.status import kernel_state
    from ops.toolchain import KernelError

    try:
        mode = library.mode()
    except KernelError as error:
        yield Check("GAN_OPS", "problem", str(error), "unset GAN_OPS")
        return
    yield Check("GAN_OPS", "ok", mode)
    for target in library.TARGETS:
        found = kernel_state(target)
        needed = mode == "fused" and (target == "cpu" or torch.cuda.is_available())
        text = f"{found['state']}, {found['text']}"
        if found["state"] == "ready":
            yield Check(f"{target} kernels", "ok", text)
        elif found["state"] == "unbuilt":
            yield Check(f"{target} kernels", "ok", *_split(text))
        else:
            yield Check(f"{target} kernels", "problem" if needed else "note", *_split(text))


def _cache() -> Check:
    from ops.build import cache_directory

    try:
        folder = cache_directory()
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    except (RuntimeError, OSError) as error:
        return Check("cache", "note", str(error), "set GAN_CACHE to a folder that can be written")
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if os.access(place, os.W_OK) and place.is_dir():
        return Check("cache", "ok", f"{folder}, {size:.1f} MB")
    return Check("cache", "note", f"{folder} cannot be written", "set GAN_CACHE to a folder that can be")


def _split(message: str) -> tuple[str, str]:
    """A message of ours as what is so and what to do about it, which follows the last semicolon, if any."""
    text, _, remedy = message.rpartition("; ")
    return (text, remedy) if text and "\n" not in message else (message, "")
