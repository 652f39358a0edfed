"""Milliseconds that the health monitor adds to a tick: python -m benchmarks.monitor DATA PRESET..."""

import statistics
import tempfile
import time
from pathlib import Path

import click
import torch

from training.data.images import open_dataset
from training.monitor import Monitor
from training.recipes import fit, load_preset
from training.state import create

REPEATS = 5


@click.command(
    epilog="Example: python -m benchmarks.monitor data/openmoji-32.zip stylegan2-tiny stylegan2-small"
)
@click.argument("data")
@click.argument("presets", nargs=-1, required=True)
def main(data: str, presets: tuple[str, ...]) -> None:
    """Print one line per preset: the median of some ticks, after one that warms up."""
    dataset = open_dataset(data)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for preset in presets:
        config = fit(load_preset(preset), shape=dataset.shape, c_dim=0)
        state = create(config, device)
        with tempfile.TemporaryDirectory() as folder:
            monitor = Monitor(Path(folder), dataset, state, print)
            record = {"kimg": 1.0, "logits/real": 0.0, "logits/fake": 0.0}
            monitor.examine(state, record)
            times = []
            for _ in range(REPEATS):
                started = time.perf_counter()
                monitor.examine(state, record)
                times.append(time.perf_counter() - started)
        size = sum(p.numel() for p in state.generator.parameters()) / 1e6
        milliseconds = statistics.median(times) * 1000
        threads = torch.get_num_threads()
        print(
            f"{preset}: generator {size:.2f} M on {device}, {threads} threads: {milliseconds:.1f} ms a tick"
        )


if __name__ == "__main__":
    main()
