"""Parameters of every preset's networks and the cost of an image on this machine.

python -m benchmarks.models --threads 2
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does, before torch starts

import click
import torch

from ops.bench import medians
from training.recipes import fit, load_preset, preset_names

SIDES = {
    "stylegan2-tiny": 32,
    "demo": 32,
    "stylegan2-small": 64,
    "sngan-32": 32,
    "r3gan-cifar10": 32,
    "r3gan-64": 64,
}


@click.command(epilog="Example: python -m benchmarks.models --threads 2")
@click.option("--threads", default=2, show_default=True, help="Threads of PyTorch.")
@click.option("--batch", default=4, show_default=True, help="Images a forward pass.")
@click.option("--repeats", default=7, show_default=True, help="Timings a median.")
def main(threads: int, batch: int, repeats: int) -> None:
    """Print a row per preset: size, millions of parameters, seconds per image of G's forward pass."""
    torch.set_num_threads(threads)
    click.echo("| Preset | Size | G, M | D, M | Seconds an image |\n|---|---|---|---|---|")
    for name in preset_names():
        side = SIDES.get(name, 256)
        config = fit(load_preset(name), shape=(3, side, side), c_dim=0)
        G, D = config.generator.build().eval(), config.discriminator.build()
        z = torch.randn(batch, G.z_dim)
        with torch.inference_mode():
            [seconds] = medians([lambda G=G, z=z: G(z)], repeats)
        g, d = (sum(p.numel() for p in net.parameters()) / 1e6 for net in (G, D))
        click.echo(f"| `{name}` | {side}x{side} | {g:.2f} | {d:.2f} | {seconds / batch:.4f} |")


if __name__ == "__main__":
    main()
