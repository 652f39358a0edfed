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
    from ops.status import kernel_state

    mode = library.mode()
    targets = {target: kernel_state(target) for target in library.TARGETS}
    if as_json:
        echo_json({"mode": mode, "targets": targets})
        return
    click.echo(f"GAN_OPS is {mode}")
    for target, found in targets.items():
        click.echo(f"{target:<5} {found['state']}: {found['text']}")
