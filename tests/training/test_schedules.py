"""Schedules and Adam's correction against hand computation."""

import pytest

from gan.config import from_dict, override
from gan.errors import UsageError
from tests.training.tiny import tiny_state
from training.config import LossConfig, RunConfig
from training.recipes import load_preset
from training.schedules import Schedule, default_r1_gamma, extremes, lazy_adam, value_at
from training.state import set_rates


@pytest.mark.parametrize(
    ("shape", "quarter", "half"),
    [("cosine", 100 - 99 * (2 - 2**0.5) / 4, 50.5), ("linear", 75.25, 50.5), ("exponential", 100**0.75, 10)],
)
def test_shapes(shape, quarter, half):
    schedule = Schedule(start=100, end=1, kimg=8, shape=shape)
    values = [schedule.at(nimg) for nimg in (0, 2000, 4000, 8000, 10**9)]
    assert values == pytest.approx([100, quarter, half, 1, 1])


def test_warm_up_comes_first():
    schedule = Schedule(start=2, end=1, kimg=4, shape="linear", warmup_kimg=10)
    assert [schedule.at(1000 * k) for k in (0, 5, 10, 12, 14, 20)] == pytest.approx([0, 1, 2, 1.5, 1, 1])
    assert Schedule(start=3, end=3, kimg=0, warmup_kimg=1).at(5000) == 3


def test_constants_and_extremes():
    assert value_at(0.5, 10**6) == 0.5
    assert extremes(0.5) == (0.5, 0.5)
    assert extremes(Schedule(start=3, end=1, kimg=2)) == (1, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kimg": -1}, "kimg"),
        ({"warmup_kimg": -1}, "warmup_kimg"),
        ({"shape": "exponential", "end": 0}, "end > 0"),
    ],
)
def test_impossible_schedules_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Schedule(**({"start": 1, "end": 2, "kimg": 3} | change))


def test_lazy_adam_and_gamma():
    assert lazy_adam(0.002, 0.0, 0.99, None) == (0.002, 0.0, 0.99)
    lr, beta1, beta2 = lazy_adam(0.002, 0.5, 0.99, 16)
    assert (lr, beta1, beta2) == pytest.approx((0.002 * 16 / 17, 0.5 ** (16 / 17), 0.99 ** (16 / 17)))
    assert default_r1_gamma(256 * 256, 32) == pytest.approx(0.4096)


R3GAN = """
loss:
  name: relativistic
  r1_gamma: {start: 2, end: 0.2, kimg: 20000}
  r1_interval: null
  r2: true
optimizer_g: &adam
  lr: {start: 2e-4, end: 5e-5, kimg: 20000}
  beta2: {start: 0.9, end: 0.99, kimg: 20000}
optimizer_d: *adam
ema:
  kimg: {start: 0, end: 500, kimg: 20000}
  rampup: null
"""


def test_the_recipe_of_r3gan_is_a_file(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(R3GAN)
    config = load_preset(str(path))
    middle = 10_000_000
    assert value_at(config.loss.r1_gamma, middle) == pytest.approx(1.1)
    assert value_at(config.ema.kimg, middle) == pytest.approx(250)
    assert config.loss.lazy_d is None
    state = tiny_state()
    state.config, state.nimg = config, middle
    set_rates(state)
    for optimizer in (state.optimizer_g, state.optimizer_d):
        (group,) = optimizer.param_groups
        assert (group["lr"], *group["betas"]) == pytest.approx((1.25e-4, 0, 0.945))


def test_rates_carry_the_correction_of_their_own_penalty():
    state = tiny_state("loss.path_length_weight=2", "loss.r1_interval=8", "optimizer_d.beta1=0.5")
    g, d = (optimizer.param_groups[0] for optimizer in (state.optimizer_g, state.optimizer_d))
    assert (g["lr"], *g["betas"]) == pytest.approx(lazy_adam(0.002, 0.0, 0.99, 4))
    assert (d["lr"], *d["betas"]) == pytest.approx(lazy_adam(0.002, 0.5, 0.99, 8))


def test_a_mistake_in_a_schedule_names_key_and_remedy():
    with pytest.raises(
        UsageError, match=r"unknown key 'loss.r1_gamma.strat'; did you mean 'loss.r1_gamma.start'"
    ):
        from_dict(RunConfig, {"loss": {"r1_gamma": {"strat": 1, "end": 1, "kimg": 1}}}, "")
    with pytest.raises(UsageError, match=r"loss.r1_gamma.start is missing"):
        override(RunConfig(), ["loss.r1_gamma.end=1"])
    started = RunConfig(loss=LossConfig(r1_gamma=Schedule(start=2, end=1, kimg=3)))
    assert override(started, ["loss.r1_gamma.end=0.5"]).loss.r1_gamma == Schedule(start=2, end=0.5, kimg=3)
