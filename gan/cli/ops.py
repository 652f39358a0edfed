"""`gan ops`: build the fused kernels ahead of their first use, and say what is there."""

import click

from gan.cli import ops_bench
from gan.cli.common import debug_option, echo_json


@click.group("ops", epilog="Example: gan ops build")
def command() -> None:
    """Build and inspect the fused kernels. Without them plain PyTorch serves, with the same results."""


command.add_command(ops_bench.command)


@command.command(epilog="Example: gan ops build --cuda")
@click.option("--cuda", is_flag=True, help="Build the CUDA kernels as well; needs nvcc, but no GPU.")
@click.option("--force", is_flag=True, help="Build anew what is there already.")
@debug_option
def build(cuda: bool, force: bool) -> None:
    """Build the kernels for this machine now, also where an earlier attempt failed.

    They are kept in $GAN_CACHE (default ~/.cache/gan). Without this command those for the CPU are built when
    first used, and those for CUDA when a tensor on a GPU is.
    """
    from ops import build as builder

    for target in ("cpu", "cuda") if cuda else ("cpu",):
        click.echo(f"{target}  {builder.build(target, retry=True, force=force)}")


@command.command(epilog="Example: gan ops status --json")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@debug_option
def status(as_json: bool) -> None:
    """Say which kernels are built, for what, and why the others are not. Builds nothing."""
    from ops import library

    mode = library.mode()
    targets = {target: kernel_state(target) for target in library.TARGETS}
    if as_json:
        echo_json({"mode": mode, "targets": targets})
        return
    click.echo(f"GAN_OPS is {mode}")
    for target, found in targets.items():
        click.echo(f"{target:<5} {found['state']}: {found['text']}")


def kernel_state(target: str) -> dict:
    """State of the kernels for "cpu" or "cuda", which are loaded if they are there, and never built.

    state: "ready"; "unbuilt" (nothing stands in the way); "failed" (an earlier build did, and is not tried
    again by itself); "unavailable". text: what for, or why and what to type. path and manifest: None
    unless ready.
    """
    from ops import build, library, recipe
    from ops.toolchain import KernelError

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


def _describe(path: str, manifest: dict | None) -> str:
    """What a library is for, and where it lies."""
    if manifest is None:  # tests name a library of their own
        return path
    by = manifest["compiler"] + (f" and nvcc {manifest['nvcc']}" if manifest["nvcc"] else "")
    if manifest["architectures"]:
        machine = f"compute capability {', '.join(manifest['architectures'])}"
    else:
        machine = "this CPU" if "-march=native" in manifest["flags"] else manifest["machine"]
    return f"for {machine} and torch {manifest['torch_needed']} or newer, by {by}: {path}"
