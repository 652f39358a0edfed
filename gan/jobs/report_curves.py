"""Which statistics of ticks are charts of `gan report`: of one run, or of several in one chart."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from gan.jobs.charts import Chart, Curve, Mark, chart, measured
from gan.jobs.report_files import RunFiles

CHARTS = (  # title with the unit -> keys of stats.jsonl, by what they are called in the legend
    ("Losses", {"generator": "loss/g", "discriminator": "loss/d"}),
    ("Logits of the discriminator", {"real images": "logits/real", "fakes": "logits/fake"}),
    (
        "Logits without augmentation",
        {"training images": "held_out/train", "held-out images": "held_out/images", "fakes": "held_out/fake"},
    ),
    ("Overfitting of the discriminator (r_v)", {"0: none, 1: by heart": "held_out/r_v"}),
    ("Fakes over reals (share)", {"diversity": "health/diversity", "coverage": "health/coverage"}),
    ("Gradient norms", {"generator": "grad_norm/g", "discriminator": "grad_norm/d"}),
    ("Weight norms", {"generator": "weight_norm/g", "discriminator": "weight_norm/d"}),
    ("Largest singular value of the weights", {"generator": "sigma/g", "discriminator": "sigma/d"}),
    (
        "Penalties",
        {
            "R1": "r1",
            "R2": "r2",
            "gradient penalty": "gradient_penalty",
            "LeCam": "lecam",
            "path length": "path_length",
        },
    ),
    ("Augmentation (probability)", {"probability": "augment/p"}),
    ("Time per thousand images (seconds)", {"median of the ticks": "sec_per_kimg"}),
)


def charts(runs: Sequence[RunFiles], marks: Sequence[Mark]) -> list[Chart]:
    """Every chart that has something to show: none of an augmentation that was never on."""
    several, found = len(runs) > 1, []
    for title, named in CHARTS:
        if "augment/p" in named.values() and not any(r.get("augment/p") for run in runs for r in run.stats):
            continue
        curves = [
            Curve(name=name, run=run.name if several else "", points=measured(run.stats, key))
            for run in runs
            for name, key in named.items()
        ]
        found.append(chart(title, curves, marks))
    return [one for one in found if one]


def pace(stats: Sequence[Mapping[str, Any]]) -> float | None:
    """Median over the ticks of the seconds that thousand images took; None where none was measured."""
    found = [value for _, value in measured(stats, "sec_per_kimg")]
    return statistics.median(found) if found else None
