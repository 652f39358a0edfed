"""What is run on a GPU, most valuable first: a name, a command, and how long it takes there at most."""

import sys
from typing import NamedTuple

PRESETS = {"stylegan2": 256, "stylegan3-t": 256, "stylegan3-r": 256, "r3gan-64": 64, "r3gan-cifar10": 32}
PRECISIONS = ("float32", "bf16", "fp16")
FILTERS = {"upfirdn2d": "4x4", "filtered_lrelu": "filtered_lrelu"}  # operators, as `gan ops bench` names them


class Step(NamedTuple):
    """command: after the interpreter.  tiny: what it becomes on a CPU, to see that it runs.

    minutes: at most, on a fast GPU; a slice that has fewer left does not begin it.
    """

    name: str
    command: list[str]
    tiny: list[str]
    minutes: float = 2.0

    def arguments(self, tiny: bool) -> list[str]:
        """The whole command."""
        return [sys.executable, *(self.tiny if tiny else self.command)]


def pytest(name: str, *what: str, minutes: float = 4.0) -> Step:
    """Tests on the GPU; their tiny form only collects them."""
    base = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *what]
    return Step(name, [*base, "--device", "cuda"], [*base, "--collect-only"], minutes)


def training(name: str, *options: str, minutes: float = 2.0) -> Step:
    """A preset's training step."""
    base = ["-m", "benchmarks.gpu.training"]
    small = ["--preset=stylegan2-tiny", "--resolution=16", "--batch=4", "--steps=2", "--repeats=1"]
    return Step(name, [*base, "--device", "cuda", *options], [*base, "--device", "cpu", *small], minutes)


def steps() -> list[Step]:
    """All of them, in order."""
    bench = ["-m", "gan", "ops", "bench", "--json"]
    found = [
        pytest("tests-random", "tests/ops/test_random.py", minutes=1),
        pytest("tests-scale-bias-act", "tests/ops/test_scale_bias_act.py", minutes=1),
        pytest("tests-filters", *(f"tests/ops/test_{name}.py" for name in FILTERS), minutes=2),
        Step(
            "bench-ops-float32",
            [*bench, "--device", "cuda", "--batch", "32"],
            [*bench, "--batch", "1", "--repeats", "1", "--only", "bias_act"],
        ),
        *(
            Step(
                f"bench-{name}-bfloat16",
                [*bench, "--device", "cuda", "--batch", "32", "--dtype", "bfloat16", "--only", only],
                [*bench, "--batch", "1", "--repeats", "1", "--dtype", "bfloat16", "--only", "bias_act"],
                minutes=1,
            )
            for name, only in FILTERS.items()
        ),
        training("stylegan2-256-float32", "--preset", "stylegan2"),
        training("stylegan2-256-bf16", "--preset", "stylegan2", "--set", "precision=bf16"),
        pytest("tests-ops", "tests/ops", minutes=6),
    ]
    for preset, side in PRESETS.items():
        for precision in PRECISIONS:
            chosen = ["--preset", preset, "--resolution", str(side), "--set", f"precision={precision}"]
            found.append(training(f"{preset}-{side}-{precision}", *chosen))
    found += [
        training("stylegan2-small-64", "--preset", "stylegan2-small", "--resolution", "64"),
        training(
            "stylegan2-small-64-graphs",
            *("--preset", "stylegan2-small", "--resolution", "64", "--set", "cuda_graphs=true"),
        ),
        training("workers-4", "--preset", "stylegan2", "--workers", "4"),
        training("memory-runs-out", "--preset", "stylegan2", "--memory", "0.1", "--set", "micro_batch=auto"),
        Step(
            "bench-ops-bfloat16",
            [*bench, "--device", "cuda", "--batch", "32", "--dtype", "bfloat16"],
            [*bench, "--batch", "1", "--repeats", "1", "--only", "bias_act", "--dtype", "bfloat16"],
        ),
        Step(
            "networks-256",
            ["-m", "benchmarks.networks", "--device", "cuda", "--batch", "32", "--resolution", "256"],
            ["-m", "benchmarks.networks", "--batch", "1", "--resolution", "16", "--repeats", "1"],
        ),
        pytest("tests-training", "tests/training", "-m", "needs_gpu or not slow", minutes=8),
        pytest("tests-needs-gpu", "tests", "-m", "needs_gpu", minutes=4),
    ]
    names: dict[str, Step] = {}
    return list({step.name: names.setdefault(step.name, step) for step in found}.values())
