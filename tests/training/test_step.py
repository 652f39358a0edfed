"""One training step: who learns from what, when each phase runs, broken gradients."""

import math

import pytest
import torch

from gan.networks import stylegan3
from gan.networks.stylegan2 import DiscriminatorConfig
from gan.randomness import Draws
from tests.training.tiny import learned, moved, plain_state, tiny_state, weights
from training.config import LossConfig, RunConfig
from training.losses import LOSSES
from training.state import create
from training.step import train_step, update


def test_each_phase_moves_only_its_network():
    state, real = tiny_state(), torch.rand(4, 3, 8, 8) * 2 - 1
    g, d = weights(state.generator), weights(state.discriminator)
    learned(state, "g", real, None)
    assert any(moved(state.generator, g)) and not any(moved(state.discriminator, d))
    g = weights(state.generator)
    learned(state, "d", real, None)
    assert not any(moved(state.generator, g)) and all(moved(state.discriminator, d))


def test_losses_improve_on_a_fixed_batch():
    state, real = tiny_state("optimizer_d.lr=0.01"), torch.rand(4, 3, 8, 8) * 2 - 1
    losses = [float(learned(state, "d", real, None)["loss/d"]) for _ in range(30)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_penalties_run_at_their_intervals():
    state = tiny_state("loss.r1_interval=2", "loss.path_length_weight=2", "loss.path_length_interval=3")
    seen = []
    for _ in range(6):
        terms = train_step(state, torch.rand(4, 3, 8, 8), None)
        seen.append(("r1" in terms, "path_length" in terms))
        state.nimg += 4
    assert [r for r, _ in seen] == [True, False] * 3
    assert [p for _, p in seen] == [True, False, False] * 2
    assert state.memory["path_mean"] > 0


def test_several_steps_of_d_for_each_of_g():
    state = tiny_state("loss.d_steps=2", "loss.path_length_weight=2", "loss.path_length_interval=2")
    seen = []
    for _ in range(6):
        terms = train_step(state, torch.rand(4, 3, 8, 8), None)
        seen.append(("loss/g" in terms, "path_length" in terms, "loss/d" in terms))
        state.nimg += 4
    rest = (False, False, True)
    assert seen == [(True, True, True), rest, (True, False, True), rest, (True, True, True), rest]


def test_rates_follow_the_images_seen():
    state = tiny_state("optimizer_g.lr={start: 0, end: 0.1, kimg: 1, shape: linear}")
    before = weights(state.generator)
    train_step(state, torch.rand(4, 3, 8, 8), None)
    assert not any(moved(state.generator, before))
    state.nimg = 400
    train_step(state, torch.rand(4, 3, 8, 8), None)
    assert any(moved(state.generator, before))
    assert state.optimizer_g.param_groups[0]["lr"] == pytest.approx(0.04)


def test_a_step_depends_on_seed_and_position_only():
    real = torch.rand(4, 3, 8, 8)
    first, second = tiny_state("loss.style_mixing=0.9"), tiny_state("loss.style_mixing=0.9")
    train_step(first, real, None)
    torch.rand(17)  # whatever else draws random numbers
    train_step(second, real, None)
    assert not any(moved(first.generator, weights(second.generator)))


def test_conditional_step_and_style_mixing_run():
    state = tiny_state("loss.style_mixing=1", classes=3)
    terms = train_step(state, torch.rand(4, 3, 8, 8), torch.eye(3)[[0, 1, 2, 0]])
    assert {"loss/g", "loss/d", "r1", "diversity"} <= terms.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains_a_generator_without_styles(name):
    state, c = plain_state(f"loss.name={name}", classes=3), torch.eye(3)[[0, 1, 2, 0]]
    before = weights(state.generator), weights(state.discriminator)
    terms = train_step(state, torch.rand(4, 3, 8, 8), c)
    assert all(moved(state.generator, before[0])) and any(moved(state.discriminator, before[1]))
    assert all(torch.isfinite(value) for value in terms.values())


def test_the_generator_of_a_paired_loss_starts_at_log_2():
    state = plain_state("loss.name=relativistic", "optimizer_g.lr=0")
    torch.nn.init.zeros_(state.discriminator.b4.out.weight)
    assert learned(state, "g", torch.rand(4, 3, 8, 8), None)["loss/g"].item() == pytest.approx(math.log(2))


def test_magnitudes_follow_the_fakes_of_the_discriminator():
    generator = stylegan3.GeneratorConfig(
        resolution=16,
        z_dim=8,
        w_dim=8,
        channel_base=64,
        channel_max=8,
        layers=4,
        critical=1,
        margin=4,
        magnitude_beta=0.9,
    )
    discriminator = DiscriminatorConfig(resolution=16, channel_base=64, channel_max=8)
    loss = LossConfig(path_length_weight=1.0, r1_gamma=1.0)
    config = RunConfig(generator=generator, discriminator=discriminator, batch=4, loss=loss)
    state = create(config, torch.device("cpu"))
    magnitudes = [b for name, b in state.generator.named_buffers() if name.endswith("magnitude_ema")]
    real = torch.rand(4, 3, 16, 16)
    learned(state, "g", real, None)
    learned(state, "path_length", real, None)
    learned(state, "r1", real, None)
    assert all(m == 1 for m in magnitudes) and state.generator.mapping.w_avg.any()
    learned(state, "d", real, None)
    assert len(magnitudes) == 5 and all(m != 1 for m in magnitudes)


def test_broken_gradients_become_finite():
    parameter = torch.nn.Parameter(torch.zeros(4))
    parameter.grad = torch.tensor([float("nan"), float("inf"), float("-inf"), 1.0])
    norm = update(torch.optim.SGD([parameter], lr=1.0))
    assert not torch.isfinite(norm)
    assert parameter.tolist() == pytest.approx([0.0, -1e5, 1e5, -1.0])
    assert parameter.grad is None


def test_draws_follow_the_seed_and_the_images_seen(monkeypatch):
    state, seen, fakes = tiny_state("seed=3"), [], []

    def draws(seed, nimg, *others, **more):
        seen.append((seed, nimg))
        return Draws(seed, nimg, *others, **more)

    monkeypatch.setattr("training.step.Draws", draws)
    state.generator.mapping.register_forward_pre_hook(lambda _, args: fakes.append(args[0]))
    for state.nimg in (0, 8):
        train_step(state, torch.rand(4, 3, 8, 8), None)
    assert sorted(set(seen)) == [(3, 0), (3, 8)] and seen == sorted(seen)
    assert len({float(z[0, 0]) for z in fakes}) == len(fakes)  # of every objective other ones


@pytest.mark.parametrize("name", ["g", "d"])
def test_fakes_of_a_step_have_fresh_noise(name):
    state, seen = tiny_state(), []
    keep = lambda _, args, options: seen.append(options["noise"])  # noqa: E731
    state.generator.synthesis.register_forward_pre_hook(keep, with_kwargs=True)
    learned(state, name, torch.rand(4, 3, 8, 8))
    [noise] = seen
    assert noise.samples == range(4) and not noise.normal().equal(noise.normal())
