"""`gan ops bench`: how much faster the kernels are than plain PyTorch on this machine."""

from typing import TYPE_CHECKING

import click

from gan.cli.common import debug_option, device_option, echo_json
from gan.console import progress
from gan.errors import UserError

if TYPE_CHECKING:
    from ops.bench import Case, Timing


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

    from gan.cli.ops import kernel_state
    from gan.devices import pick
    from ops import bench

    where = pick(device)
    if threads:
        torch.set_num_threads(threads)
    chosen = [case for case in bench.cases(batch, where) if only in case.name]
    if not chosen:
        names = ", ".join(dict.fromkeys(case.name for case in bench.cases(batch)))
        raise UserError(f"no operator's name contains '{only}'; they are: {names}")
    if kernel_state(where.type)["state"] not in ("ready", "unbuilt"):
        raise UserError(f"there are no kernels to time on {where}; `gan ops status` says why")
    rate = bench.copy_bandwidth(where)
    rows = []
    for case in progress(chosen, "operators"):
        inputs = case.inputs(where, getattr(torch, dtype))
        forward = bench.compare(case, inputs, gradient=False, repeats=repeats)
        both = bench.compare(case, inputs, gradient=True, repeats=repeats)
        rows.append(_row(case, forward, both, rate))
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else f"{torch.get_num_threads()} threads"
    if as_json:
        echo_json({"device": name, "dtype": dtype, "copy_bytes_per_second": rate, "rows": rows})
        return
    click.echo(f"{name}, {dtype}; a copy moves {rate / 1e9:.1f} GB/s\n")
    click.echo(table(rows))


def table(rows: list[dict]) -> str:
    """The rows as a Markdown table, milliseconds with and without kernels."""
    lines = [
        "| Operator | x | Layout | Forward, plain | fused | | Copy | With gradient, plain | fused | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        forward, both = row["forward"], row["with_gradient"]
        lines.append(
            f"| {row['operator']} | {'x'.join(map(str, row['shape']))} | {row['layout']} "
            f"| {forward['plain_ms']:.3g} ms | {forward['fused_ms']:.3g} ms | {forward['speedup']:.1f}x "
            f"| {forward['of_copy']:.0%} "
            f"| {both['plain_ms']:.3g} ms | {both['fused_ms']:.3g} ms | {both['speedup']:.1f}x |"
        )
    return "\n".join(lines)


def _row(case: "Case", forward: "Timing", both: "Timing", rate: float) -> dict:
    import torch

    layout = "NHWC" if case.layout == torch.channels_last else "NCHW"
    row = {"operator": case.name, "shape": list(case.shape), "layout": layout}
    for name, timing in (("forward", forward), ("with_gradient", both)):
        row[name] = {
            "plain_ms": timing.plain * 1e3,
            "fused_ms": timing.fused * 1e3,
            "speedup": timing.speedup,
            "of_copy": timing.traffic / timing.fused / rate,
        }
    return row
