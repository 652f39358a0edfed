"""What test_two_processes.py runs alone and in two processes: records of every metric, written to a file."""

import contextlib
import importlib
import json
import sys
import warnings
from pathlib import Path
from unittest import mock

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gan import distributed
from metrics import METRICS, evaluate
from metrics.catalogue import mean_over_pairs
from metrics.comparison import Observed, differences
from metrics.features import Bank
from metrics.images import ArrayImages
from metrics.measure import measure
from metrics.networks import Networks
from tests.metrics.test_catalogue import Standin, Standins, pictures
from tests.metrics.test_equivariance import stylegan3

torch.set_num_threads(1)
warnings.simplefilter("ignore", UserWarning)
REALS, FAKES = 4_200, 5_040  # several blocks of rows, more batches than processes, and none of them whole
UNSURE = ("fd-dinov2", "clip-fid", "fd-efficientnet-lite0", "fd-untrained")  # as fid: once is enough
HEAVY = (
    ("metrics.neighbour_blocks", "_against"),
    ("metrics.precision_recall", "_against"),
    ("metrics.rows", "_nearest"),
    ("metrics.blockwise", "_kernel_sum"),
    ("metrics.blockwise", "fit_distance"),
    ("metrics.blockwise", "exponential_entropy"),
    ("metrics.frechet_infinity", "fit_distance"),
    ("metrics.influence", "polynomial_kernel"),
    ("metrics.influence", "balls_around"),
)
OWN = [name for name, metric in METRICS.items() if metric.spec.scores == "generator"]


class Wide(Standin):
    """Features in several strips of the outer products."""

    def __init__(self, name):
        super().__init__(name)
        self.heads = {"pool": 300}

    def features(self, prepared):
        return {"pool": prepared[0].flatten(1)[:, :300] / 61}

    def prepare(self, images):
        return [images.float()]


class Wides(Networks):
    """The same for every name."""

    def _build(self, name):
        return Wide(name)


def fewer(measure, images, *, pairs, seed, batch=32):
    """The pairs of a metric by pixels, but few."""
    return mean_over_pairs(measure, images, pairs=137, seed=seed, batch=5 if batch == 32 else batch)


def noting(shares):
    """A patch that notes which part of the rows of each Bank this process has."""

    def measured(*arguments):
        stores = measure(*arguments)
        banks = [store for store in stores.values() if isinstance(store, Bank)]
        shares.extend(len(bank.rows.own) / bank.count for bank in banks)
        return stores

    return mock.patch("metrics.sets.measure", measured)


def counted(module, name):
    """A patch that counts the calls of this process."""
    return mock.patch(f"{module}.{name}", wraps=getattr(importlib.import_module(module), name))


def records() -> list[dict]:
    """Every metric once; those of the generator on a few samples, the last batch not full."""
    real, fake = (
        ArrayImages(pictures(count, seed), labels=[i % 2 for i in range(count)])
        for seed, count in enumerate((REALS, FAKES))
    )
    generator = stylegan3(c_dim=3)
    options = {"generator": generator, "networks": Standins(), "seed": 3}
    options |= {"conditions": lambda seeds: [seed % 2 for seed in seeds]}
    found = evaluate(real, fake, [n for n in METRICS if n not in OWN], num_fakes=FAKES, **options)
    found += evaluate(real, fake, OWN, num_fakes=21, **options)
    sure = [
        name for name, metric in METRICS.items() if metric.spec.has_interval and name not in (*UNSURE, *OWN)
    ]
    options = {"num_fakes": 2_150, "networks": Standins(), "intervals": True}
    found += evaluate(pictures(2_100), pictures(2_150, 1), sure, **options)
    options = {"generator": generator, "networks": Standins(), "intervals": True, "seed": 3}
    found += evaluate([], [], ["ppl-w-full"], num_fakes=33, **options)
    found += compared()
    return found + evaluate(pictures(400), pictures(500), ["fid"], num_fakes=450, networks=Wides())


def compared() -> list[dict]:
    """Differences of all that has a test of its own, under labels of their own."""
    sides, names = [], [name for name, metric in METRICS.items() if metric.spec.influence]
    for seed in (1, 2):
        observed, options = Observed(), {"num_fakes": 1_100, "networks": Standins(), "intervals": True}
        real, fake = pictures(2_100), pictures(1_100, seed)
        own = [name for name in names if name not in UNSURE]
        sides.append((evaluate(real, fake, own, observe=observed, **options), observed))
    return [
        {**row, "label": f"difference of {row['label']}", "value": row["p"]} for row in differences(*sides)
    ]


if __name__ == "__main__":
    with distributed.group(), mock.patch("metrics.catalogue.mean_over_pairs", fewer):
        shares = []
        with contextlib.ExitStack() as stack:
            stack.enter_context(noting(shares))
            counters = [stack.enter_context(counted(*place)) for place in HEAVY]
            done = records()
        assert distributed.rank() == 0 or not done
        own = torch.tensor([counter.call_count for counter in counters])
        work = dict(
            zip(map(".".join, HEAVY), torch.stack(distributed.everyones(own), 1).tolist(), strict=True)
        )
        share = max(map(float, distributed.everyones(torch.tensor(max(shares)))))
        if distributed.rank() == 0:
            Path(sys.argv[1]).write_text(json.dumps({"records": done, "work": work, "share": share}))
