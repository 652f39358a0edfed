"""Time and memory of finding directions: SeFa of StyleGAN2 at 1024, PCA of 100,000 w.

Each is measured in a process of its own; on a machine that others use, read the CPU seconds. Memory is the
highest resident size of that process, and what of it came after the network was built. Weights are untrained,
which costs the same.

python -m benchmarks.directions --threads 2
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does, before torch starts

import json
import resource
import subprocess
import sys
import time

import click
import torch

from gan.latents.directions import Directions
from gan.latents.drawn import Drawn
from gan.latents.pca import pca
from gan.latents.sefa import sefa
from gan.networks.stylegan2 import GeneratorConfig

TASKS = ("sefa", "pca")
SAMPLES = 100_000
COUNT = 50  # directions of either


def measure(task: str) -> dict[str, float]:
    """Seconds, those of the processor, and MiB at the peak and before."""
    config = GeneratorConfig(resolution=1024 if task == "sefa" else 256)
    generator = config.build().eval().requires_grad_(False)
    before = peak()
    started, used = time.perf_counter(), time.process_time()
    found = run(task, generator)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    assert len(found) == COUNT
    return {"seconds": seconds, "cpu": cpu, "peak": peak(), "before": before}


def run(task: str, generator: torch.nn.Module) -> Directions:
    """The directions of one task."""
    if task == "sefa":
        return sefa(generator, COUNT)
    return pca(generator, COUNT, drawn=Drawn(generator=generator, count=SAMPLES))


def peak() -> float:
    """The highest resident size of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


@click.command(epilog="Example: python -m benchmarks.directions --threads 2")
@click.option("--threads", default=2, show_default=True, help="Threads of PyTorch.")
@click.option("--task", type=click.Choice(TASKS), help="Measure one in this process and print JSON.")
def main(threads: int, task: str | None) -> None:
    """Print the table of docs/BENCHMARKS.md."""
    torch.set_num_threads(threads)
    if task:
        click.echo(json.dumps(measure(task)))
        return
    click.echo(
        "| Directions | Seconds | CPU seconds | Peak, MiB | Beyond the network, MiB |\n|---|---|---|---|---|"
    )
    names = {"sefa": "SeFa, StyleGAN2 at 1024", "pca": f"PCA of {SAMPLES:,} w of 512"}
    for each in TASKS:
        command = [sys.executable, "-m", "benchmarks.directions", "--threads", str(threads), "--task", each]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        beyond = row["peak"] - row["before"]
        seconds = f"{row['seconds']:.2f} | {row['cpu']:.2f}"
        click.echo(f"| {names[each]} | {seconds} | {row['peak']:.0f} | {beyond:.0f} |")


if __name__ == "__main__":
    main()
