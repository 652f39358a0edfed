"""Every setting of a run has an effect where it is used, or its test is named here.

A row has two values, and what must be observed under each: a closed form, or two things that differ. A key
of RunConfig without a row, and a row without a key, fail by name; settings of networks have a test of their
own, tests/gan/networks/test_settings.py.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch

from gan.networks.blocks import Block
from tests.pointers import missing
from tests.training.observing import (
    ada,
    augmented,
    average,
    conditions,
    ended,
    examined,
    fakes_compared,
    fed,
    looped,
    p_after,
    seen_by_d,
    threads_used,
    verdict,
)
from tests.training.tiny import tiny_state
from training import parts
from training.config import RunConfig
from training.objectives import objectives
from training.rollback import described, hardened
from training.schedules import Schedule
from training.state import TrainState

Observe = Callable[[TrainState], Any]


class Row(NamedTuple):
    """values: of the key, as typed.  want: what is observed under each, None: two things that differ.

    more: further settings of both.
    """

    values: tuple[str, str]
    observe: Observe
    want: tuple[Any, Any] | None = None
    more: tuple[str, ...] = ()


def penalty(name: str) -> Observe:
    """The penalties of all objectives: their attribute of that name."""
    return lambda s: [getattr(p, name) for o in objectives(s.config.loss) for p in o.penalties]


def rates(network: str) -> Observe:
    """Rates of an optimiser as they are in effect."""

    def observe(state: TrainState) -> tuple[float, ...]:
        [group] = getattr(state, f"optimizer_{network}").param_groups
        return (group["lr"], *group["betas"], group["eps"])

    return observe


def blocks(attribute: str) -> Observe:
    """An attribute of all blocks that work at a level."""
    return lambda s: [
        getattr(m, attribute)
        for network in (s.generator, s.discriminator)
        for m in network.modules()
        if isinstance(m, Block) and m.level
    ]


def optimizer(network: str) -> dict[str, Row]:
    """Rows of one optimiser, without a correction for lazy penalties."""
    key, see, off = f"optimizer_{network}", rates(network), ("loss.r1_gamma=0",)
    return {
        f"{key}.lr": Row(("0.1", "0.2"), see, ((0.1, 0.0, 0.99, 1e-8), (0.2, 0.0, 0.99, 1e-8)), off),
        f"{key}.beta1": Row(("0.1", "0.2"), see, ((0.002, 0.1, 0.99, 1e-8), (0.002, 0.2, 0.99, 1e-8)), off),
        f"{key}.beta2": Row(("0.5", "0.9"), see, ((0.002, 0.0, 0.5, 1e-8), (0.002, 0.0, 0.9, 1e-8)), off),
        f"{key}.eps": Row(("1e-3", "1e-5"), see, ((0.002, 0.0, 0.99, 1e-3), (0.002, 0.0, 0.99, 1e-5)), off),
    }


PATH_LENGTH = ("loss.path_length_weight=2",)
ADA = ("augment.name=ada", "augment.target=-1", "augment.interval=1", "augment.kimg=0.1")
T, F = torch.bfloat16, torch.float32
TESTS = "tests/training/test_"
ROWS: dict[str, Row | str] = {
    "preset": f"{TESTS}run.py::test_runs_are_numbered_and_named_safely",
    "plugins": "tests/test_api_page.py::test_every_example_runs",
    "init_from": f"{TESTS}initial.py::test_a_run_starts_as_the_weight_average_of_the_model",
    "seed": Row(("1", "2"), lambda s: fed(s)["seed"], (1, 2)),
    "kimg": Row(("0.016", "0.024"), looped("images"), (16, 24)),
    "batch": Row(("4", "8"), looped("steps"), (4, 2), ("kimg=0.016",)),
    "micro_batch": Row(
        ("null", "4"), lambda s: [len(p) for p in parts.split(s, 8)], ([8], [4, 4]), ("batch=8",)
    ),
    "precision": Row(("float32", "bf16"), blocks("dtype"), ([None] * 3, [T] * 3)),
    "half_resolutions": Row(("1", "2"), blocks("dtype"), ([F, T, T], [T, T, T]), ("precision=bf16",)),
    "checkpoint_activations": Row(("false", "true"), blocks("recompute"), ([False] * 3, [True] * 3)),
    "threads": Row(("1", "2"), threads_used, (1, 2)),
    "cuda_graphs": f"{TESTS}graphs.py::test_they_are_made_where_they_are_asked_for",
    "cudnn_benchmark": f"{TESTS}backends.py::test_in_effect_for_the_length_of_a_run",
    "tf32": f"{TESTS}backends.py::test_in_effect_for_the_length_of_a_run",
    "tick_kimg": Row(("0.004", "0.008"), looped("ticks"), ([4, 8, 12, 16], [8, 16]), ("kimg=0.016",)),
    "snapshot_ticks": Row(("1", "3"), looped("snapshots"), ([4, 8, 12, 16], [12, 16]), ("kimg=0.016",)),
    "metrics_ticks": Row(
        ("null", "1"), looped("scores"), ([8, 16], [4, 8, 12, 16]), ("kimg=0.016", "snapshot_ticks=2")
    ),
    "keep_light": f"{TESTS}retention.py::test_by_default_three_are_whole_and_the_others_draw_images",
    "keep_last": f"{TESTS}retention.py::test_last_every_and_best_are_kept",
    "keep_every_kimg": f"{TESTS}retention.py::test_last_every_and_best_are_kept",
    "max_disk_gib": f"{TESTS}retention.py::test_a_limit_pauses_before_it_is_passed",
    "data.path": "tests/gan/cli/test_train.py::test_dry_run_prints_a_config_that_loads",
    "data.held_out": f"{TESTS}held_out.py::test_a_run_compares_and_trains_as_without",
    "data.xflip": Row(("false", "true"), lambda s: fed(s)["xflip"], (False, True)),
    "data.conditional": Row(("false", "labels"), conditions, (0, 3)),
    "data.workers": Row(("auto", "2"), lambda s: fed(s)["workers"], (4, 2)),
    "generator.type": f"{TESTS}exact.py::test_every_network",
    "discriminator.type": f"{TESTS}exact.py::test_every_network",
    "loss.name": Row(("hinge", "relativistic"), lambda s: objectives(s.config.loss)[0].paired, (False, True)),
    "loss.d_steps": Row(
        ("1", "3"), lambda s: [o.steps for o in objectives(s.config.loss)], ([1, 1, 16], [3, 1, 16])
    ),
    "loss.r1_gamma": Row(("3", "5"), penalty("gamma"), ([3.0], [5.0])),
    "loss.r1_interval": Row(
        ("null", "4"), lambda s: [o.name for o in objectives(s.config.loss)], (["g", "d"], ["g", "d", "r1"])
    ),
    "loss.r1_on": "tests/training/test_projected.py::test_the_penalty_and_its_gradient_by_finite_differences",
    "loss.r2": Row(("false", "true"), penalty("fakes"), ([False], [True])),
    "loss.gradient_penalty_weight": Row(("3", "5"), penalty("weight"), ([3.0], [5.0]), ("loss.r1_gamma=0",)),
    "loss.lecam_weight": Row(("3", "5"), penalty("weight"), ([3.0], [5.0]), ("loss.r1_gamma=0",)),
    "loss.lecam_decay": Row(
        ("0.3", "0.5"), penalty("decay"), ([0.3], [0.5]), ("loss.lecam_weight=1", "loss.r1_gamma=0")
    ),
    "loss.path_length_weight": Row(("3", "5"), penalty("weight"), ([3.0], [5.0]), ("loss.r1_gamma=0",)),
    "loss.path_length_interval": Row(
        ("3", "5"), lambda s: objectives(s.config.loss)[1].steps, (6, 10), (*PATH_LENGTH, "loss.d_steps=2")
    ),
    "loss.path_length_decay": Row(
        ("0.3", "0.5"), penalty("decay"), ([0.3], [0.5]), (*PATH_LENGTH, "loss.r1_gamma=0")
    ),
    "loss.path_length_shrink": Row(
        ("1", "4"), lambda s: objectives(s.config.loss)[1].shrink, (1, 4), PATH_LENGTH
    ),
    "loss.style_mixing": f"{TESTS}passes.py::test_styles_are_mixed_at_their_probability",
    "loss.blur_sigma": Row(("0", "2"), seen_by_d),
    "loss.blur_fade_kimg": Row(("0.1", "1"), seen_by_d, None, ("loss.blur_sigma=2",)),
    **optimizer("g"),
    **optimizer("d"),
    "ema.kimg": Row(("0.1", "1"), average, (0.5 ** (4 / 100), 0.5 ** (4 / 1000)), ("ema.rampup=null",)),
    "ema.rampup": Row(("0.5", "null"), average, (0.5 ** (4 / 50), 0.5 ** (4 / 1000)), ("ema.kimg=1",)),
    "augment.name": Row(("ada", "diffaugment"), lambda s: type(s.augmentation._apply).__name__),
    "augment.policy": Row(("xflip", "brightness"), ada, ({"xflip": 1.0}, {"brightness": 1.0}), ADA[:1]),
    "augment.p": Row(("0.25", "0.5"), lambda s: s.augmentation.p, (0.25, 0.5), ADA[:1]),
    "augment.target": Row(("0.9", "-0.9"), p_after(1), (0.0, 0.04), (ADA[0], *ADA[2:])),
    "augment.interval": Row(("1", "2"), p_after(1), (0.04, 0.0), (*ADA[:2], ADA[3])),
    "augment.kimg": Row(("0.1", "0.2"), p_after(1), (0.04, 0.02), ADA[:3]),
    "augment.max": Row(("0.05", "0.8"), p_after(2), (0.05, 0.08), ADA),
    **{
        f"augment.strengths.{name}": Row((a, b), augmented)
        for name, a, b in (
            ("xint_max", "0.1", "0.2"),
            ("scale_std", "0.1", "0.2"),
            ("rotate_max", "0.1", "0.2"),
            ("aniso_std", "0.1", "0.2"),
            ("xfrac_std", "0.1", "0.2"),
            ("brightness_std", "0.1", "0.2"),
            ("contrast_std", "0.1", "0.2"),
            ("hue_max", "0.1", "0.2"),
            ("saturation_std", "0.1", "0.2"),
            ("imgfilter_bands", "[0, 1, 1, 1]", "[1, 1, 1, 1]"),
            ("imgfilter_std", "0.1", "0.2"),
            ("noise_std", "0.1", "0.2"),
            ("cutout_size", "0.1", "0.5"),
        )
    },
    "health.images": Row(("8", "12"), fakes_compared, (8, 12)),
    "health.window": Row(
        ("1", "9"), verdict([{"weight_norm/g": x} for x in (1.0, 5.0, 20.0)]), ("healthy", "diverged")
    ),
    "health.grace_kimg": Row(
        ("1", "3"), verdict([{"kimg": 2.0, "health/diversity": 0.05}]), ("collapsed", "healthy")
    ),
    "health.collapsed_diversity": Row(
        ("0.1", "0.2"), verdict([{"kimg": 900.0, "health/diversity": 0.15}]), ("drifting", "collapsed")
    ),
    "health.drifting_diversity": Row(
        ("0.3", "0.5"), verdict([{"kimg": 900.0, "health/diversity": 0.4}]), ("healthy", "drifting")
    ),
    "health.drifting_coverage": Row(
        ("0.05", "0.3"), verdict([{"kimg": 900.0, "health/coverage": 0.2}]), ("healthy", "drifting")
    ),
    "health.max_gap": Row(("9", "11"), verdict([{"health/gap": -10.0}]), ("drifting", "healthy")),
    "health.max_logit": Row(("9", "11"), verdict([{"logits/fake": -10.0}]), ("diverged", "healthy")),
    "health.max_growth": Row(
        ("2", "4"), verdict([{"weight_norm/d": x} for x in (1.0, 3.0)]), ("diverged", "healthy")
    ),
    "health.on_collapse": Row(("ignore", "stop"), examined, (False, True)),
    "health.max_rollbacks": f"{TESTS}rollback.py::test_stop_and_giving_up_name_the_reason",
    "health.remedies": Row(
        ("[gamma]", "[d_lr]"),
        lambda s: described(s.config, hardened(s.config, 1)),
        ("loss.r1_gamma 1 -> 2", "optimizer_d.lr 0.002 -> 0.001"),
        ("loss.r1_gamma=1",),
    ),
    "stop.when": Row(("[stalled]", "[overfit]"), ended, ("stalled", "overfit")),
    "stop.stalled_scores": Row(("2", "3"), ended, ("stalled", None), ("stop.when=[stalled]",)),
    "stop.stalled_gain": Row(
        ("0.1", "0.3"), ended, (None, "stalled"), ("stop.when=[stalled]", "stop.stalled_scores=3")
    ),
    "stop.overfit_ticks": Row(("3", "4"), ended, ("overfit", None), ("stop.when=[overfit]",)),
    "stop.overfit_r_v": Row(
        ("0.6", "0.8"), ended, ("overfit", None), ("stop.when=[overfit]", "stop.overfit_ticks=3")
    ),
}


LINEAR = {"start": 4, "end": 2, "kimg": 1, "shape": "linear", "warmup_kimg": 0}
SCHEDULES = {  # field -> another value, and the rate at 500 images, which is 3 under LINEAR
    "start": (8, 5.0),
    "end": (0, 2.0),
    "kimg": (0.5, 2.0),
    "shape": ("exponential", 8**0.5),
    "warmup_kimg": (1, 2.0),
}


def keys(config: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of all settings, networks apart but for their types."""
    for field in dataclasses.fields(config):
        value, network = getattr(config, field.name), prefix in ("generator.", "discriminator.")
        if dataclasses.is_dataclass(value):
            yield from () if network else keys(value, f"{prefix}{field.name}.")
        elif not network or field.name == "type":
            yield prefix + field.name


def test_every_setting_has_a_row_and_every_row_a_setting():
    found = set(keys(RunConfig()))
    assert sorted(found - ROWS.keys()) == [], "settings without a row"
    assert sorted(ROWS.keys() - found) == [], "rows without a setting"
    assert [f.name for f in dataclasses.fields(Schedule)] == list(SCHEDULES)


@pytest.mark.parametrize(("key", "node"), [(k, row) for k, row in ROWS.items() if isinstance(row, str)])
def test_named_tests_exist(key, node):
    assert not missing(node), node


@pytest.mark.parametrize("key", [key for key, row in ROWS.items() if isinstance(row, Row)])
def test_a_setting_has_its_effect(key):
    row = ROWS[key]
    found = [row.observe(tiny_state(*row.more, f"{key}={value}", classes=3)) for value in row.values]
    if row.want is None:
        assert found[0] != found[1]
    else:
        assert found == [pytest.approx(w) if isinstance(w, float | tuple) else w for w in row.want]


@pytest.mark.parametrize("field", SCHEDULES)
def test_a_schedule_has_its_effect(field):
    other, want = SCHEDULES[field]
    for values, rate in ((LINEAR, 3.0), (LINEAR | {field: other}, want)):
        text = ", ".join(f"{k}: {v}" for k, v in values.items())
        state = tiny_state(f"optimizer_g.lr={{{text}}}")
        assert state.config.optimizer_g.lr.at(500) == pytest.approx(rate)


def test_weights_follow_the_seed_alone():
    """Draws of images follow it too, see above; those of steps have a test in test_step.py."""
    first, again, other = (tiny_state(f"seed={seed}") for seed in (1, 1, 2))
    for name in ("generator", "discriminator", "ema"):
        mine, same, another = (list(getattr(s, name).parameters()) for s in (first, again, other))
        assert all(torch.equal(a, b) for a, b in zip(mine, same, strict=True))
        assert not all(torch.equal(a, b) for a, b in zip(mine, another, strict=True))


def test_the_half_life_of_the_average_follows_its_schedule():
    schedule = "{start: 0, end: 2, kimg: 0.2, shape: linear}"  # 1 kimg after 100 images
    assert average(tiny_state(f"ema.kimg={schedule}", "ema.rampup=null")) == pytest.approx(0.5 ** (4 / 1000))


def test_a_process_is_fed_its_share_from_where_the_run_is(monkeypatch):
    monkeypatch.setattr("gan.jobs.session.distributed.rank", lambda: 1)
    monkeypatch.setattr("gan.jobs.session.distributed.world", lambda: 2)
    found = fed(tiny_state("batch=8"), start=24)
    assert (found["rank"], found["world"], found["start"], found["batch_size"]) == (1, 2, 24, 8)
    assert found["workers"] == 4  # asked for batches of so many
    assert found["device"].type == "meta"


def test_seconds_are_those_of_all_ticks(monkeypatch):
    clock = itertools.count(step=5)
    monkeypatch.setattr("training.loop.time.perf_counter", lambda: next(clock))
    monkeypatch.setattr("training.loop.Pace.step", lambda *_: None)
    assert looped("seconds")(tiny_state("kimg=0.012")) == [5, 10, 15]
