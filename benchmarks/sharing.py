"""What processes that share rows of features hold, and what that costs: the table of docs/METRICS.md.

    torchrun --standalone --nproc-per-node 4 -m benchmarks.sharing --rows 20000 --dim 512

Both sets are drawn from a Gaussian, each process its share of them. For each score: seconds, and by how much
the memory of the process that takes most grew from before the sets were drawn to its highest (Linux).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch

from gan import distributed
from metrics.features import Bank
from metrics.frechet import frechet_distance
from metrics.images import BATCH
from metrics.kernel import kernel_distance
from metrics.rows import nearest
from metrics.shards import Shards

QUERIES = 4_096  # fakes whose neighbours are looked for: the others would take as much memory again, later
SCORES: dict[str, Callable[[Shards, Shards], float]] = {
    "Frechet distance": frechet_distance,
    f"nearest reals of {QUERIES:,} fakes": lambda real, fake: (
        nearest(fake.at(torch.arange(min(QUERIES, len(fake)))), real, 3).squared.mean().item()
    ),
    "KID, 8 subsets": lambda real, fake: kernel_distance(real, fake, subsets=8).value,
}


def drawn(count: int, dim: int, seed: int) -> Bank:
    """A Bank of `count` rows, each batch by a seed of its own, of which this process has its share."""
    rank, world = distributed.rank(), distributed.world()
    bank, rng = Bank(dim), torch.Generator()
    for number, start in enumerate(range(0, count, BATCH)):
        size, maker = min(BATCH, count - start), number % world
        rows = torch.empty(size, dim)
        if maker == rank:
            rows.normal_(generator=rng.manual_seed(seed * count + number))
        bank.add(rows, rank, world, maker)
    return bank


def memory(field: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def most(number: int) -> float:
    """The largest of all processes, in MiB."""
    return max(map(int, distributed.everyones(torch.tensor(number)))) / 2**20


def main() -> None:
    """Print the table, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000, help="of each of the two sets")
    parser.add_argument("--dim", type=int, default=512, help="features of a row")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with distributed.group(), distributed.dealing():
        small = [Shards(torch.randn(100, arguments.dim)) for _ in range(2)]
        for score in SCORES.values():  # once, so that code is loaded before memory is looked at
            score(*small)
        before = memory("VmRSS")
        real, fake = (drawn(arguments.rows, arguments.dim, seed).rows for seed in (0, 1))
        own = most(4 * (real.own.numel() + fake.own.numel()))
        if distributed.rank() == 0:
            print("| Processes | Rows of one, MiB | Score | Value | Seconds | Most memory, MiB |")
            print("|---|---|---|---|---|---|")
        for name, score in SCORES.items():
            Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back
            start = time.perf_counter()
            value = score(real, fake)
            seconds, peak = time.perf_counter() - start, most(memory("VmHWM") - before)
            if distributed.rank() == 0:
                told = f"{name} | {value!r} | {seconds:.1f} | {peak:.0f}"
                print(f"| {distributed.world()} | {own:.0f} | {told} |", flush=True)


if __name__ == "__main__":
    main()
