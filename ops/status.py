"""State of the fused kernels on this machine: whether they are built, for what, and if not, why."""

from typing import Any

from ops import build, library, recipe
from ops.toolchain import KernelError


def kernel_state(target: str) -> dict[str, Any]:
    """State of the kernels for "cpu" or "cuda", which are loaded if they are there, and never built.

    state: "ready"; "unbuilt" (nothing stands in the way); "failed" (an earlier build did, and is not tried
    again by itself); "unavailable". text: what for, or why and what to type. path and manifest: None
    unless ready.
    """
    found = {"state": "ready", "text": "", "path": None, "manifest": None}
    option = " --cuda" if target == "cuda" else ""
    try:
        if target in library.loaded() or build.built(target) or build.prebuilt(target):
            path = library.load(target, compiling=False)
            manifest = build.read_manifest(path.with_name("manifest.json"))
            manifest = manifest or build.read_manifest(path.with_name(f"{target}.json"))
            return {**found, "path": str(path), "manifest": manifest, "text": _describe(str(path), manifest)}
        if message := build.failure(target):
            return {**found, "state": "failed", "text": message}
        recipe.recipe(target)
        recipe.tools(target)
    except KernelError as error:
        return {**found, "state": "unavailable", "text": str(error)}
    return {**found, "state": "unbuilt", "text": f"built at first use; to do it now: gan ops build{option}"}


def _describe(path: str, manifest: dict[str, Any] | None) -> str:
    """What a library is for, and where it lies."""
    if manifest is None:  # tests name a library of their own
        return path
    by = manifest["compiler"] + (f" and nvcc {manifest['nvcc']}" if manifest["nvcc"] else "")
    if manifest["architectures"]:
        machine = f"compute capability {', '.join(manifest['architectures'])}"
    else:
        own = any(flag.endswith("=native") for flag in manifest["flags"])
        machine = "this CPU" if own else manifest["machine"]
    return f"for {machine} and torch {manifest['torch_needed']} or newer, by {by}: {path}"
