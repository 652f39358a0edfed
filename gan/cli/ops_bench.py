"""`gan ops bench`: how much faster the kernels are than plain PyTorch on this machine."""

from functools import partial

import click

from gan.cli.common import debug_option, device_option, echo_json
from gan.console import progress


@click.command("bench", epilog="Example: gan ops bench --threads 2 --only upsample2d")
@device_option
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of all inputs.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of PyTorch.  [default: its own choice]")
@click.option("--batch", type=click.IntRange(min=1), default=4, show_default=True, help="Images per call.")
@click.option("--repeats", type=click.IntRange(min=1), default=7, show_default=True, help="Timings a median.")
@click.option("--only", default="", help="Only operators whose name contains this.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
@debug_option
def command(
    device: str, dtype: str, threads: int | None, batch: int, repeats: int, only: str, as_json: bool
) -> None:
    """Time every operator with and without its kernel, on shapes of 256x256 networks.

    Both ways alternate in one process; times are medians. "Copy" is the rate at which the operator's inputs
    and results would pass through memory once, as a share of what a plain copy reaches here: the nearer to
    100 %, the less is left to gain. Run it on a quiet machine; on a GPU with a batch of 32 or so, or the
    tensors fit into its cache.
    """
    import torch

    from gan.devices import pick
    from ops.bench import measure, table

    where = pick(device)
    if threads:
        torch.set_num_threads(threads)
    watch = partial(progress, desc="operators")
    found = measure(where, getattr(torch, dtype), batch=batch, repeats=repeats, only=only, watch=watch)
    if as_json:
        echo_json(found)
        return
    rate = found["copy_bytes_per_second"] / 1e9
    click.echo(f"{found['device']}, {dtype}; a copy moves {rate:.1f} GB/s\n")
    click.echo(table(found["rows"]))
