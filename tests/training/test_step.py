"""One training step: who learns from what, lazy phases, labels, broken gradients."""

import math

import pytest
import torch

from gan import stylegan3
from gan.config import override
from gan.stylegan2 import DiscriminatorConfig
from training.blur import blurred
from training.config import LossConfig, RunConfig, fit
from training.losses import LOSSES
from training.passes import interleaved, judged
from training.state import create
from training.step import d_main, d_r1, g_main, g_path_length, train_step, update

TINY = [
    *(f"{n}.channel_base=64" for n in ("generator", "discriminator")),
    *(f"{n}.channel_max=8" for n in ("generator", "discriminator")),
    "generator.z_dim=8",
    "generator.w_dim=8",
    "generator.mapping.layers=2",
    "discriminator.mapping.layers=2",
    "batch=4",
]


def tiny_state(*assignments, classes=0):
    config = override(RunConfig(), [*TINY, *assignments])
    return create(fit(config, shape=(3, 8, 8), classes=classes), torch.device("cpu"))


def weights(network):
    return [p.detach().clone() for p in network.parameters()]


def moved(network, before):
    return [not torch.equal(p, b) for p, b in zip(network.parameters(), before, strict=True)]


def test_each_phase_moves_only_its_network():
    state, real = tiny_state(), torch.rand(4, 3, 8, 8) * 2 - 1
    g, d = weights(state.generator), weights(state.discriminator)
    g_main(state, real, None)
    assert any(moved(state.generator, g)) and not any(moved(state.discriminator, d))
    g = weights(state.generator)
    d_main(state, real, None)
    assert not any(moved(state.generator, g)) and all(moved(state.discriminator, d))


@pytest.mark.parametrize(("batch", "group"), [(4, 4), (8, 4), (8, 8), (6, 2)])
def test_one_pass_over_both_equals_two_passes(batch, group):
    D = tiny_state(f"discriminator.mbstd_group={group}", f"batch={batch}").discriminator
    fake, real = torch.randn(2, batch, 3, 8, 8).unbind()
    both = D(interleaved(fake, real))
    torch.testing.assert_close(both, interleaved(D(fake), D(real)))


def test_losses_improve_on_a_fixed_batch():
    state, real = tiny_state("optimizer_d.lr=0.01"), torch.rand(4, 3, 8, 8) * 2 - 1
    losses = [float(d_main(state, real, None)["loss/d"]) for _ in range(30)]
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
    assert state.path_mean > 0


def test_several_steps_of_d_for_each_of_g():
    state = tiny_state("loss.d_steps=3", "loss.path_length_weight=2", "loss.path_length_interval=2")
    seen = []
    for _ in range(9):
        terms = train_step(state, torch.rand(4, 3, 8, 8), None)
        seen.append(("loss/g" in terms, "path_length" in terms, "loss/d" in terms))
        state.nimg += 4
    rest = [(False, False, True)] * 2
    assert seen == [(True, True, True), *rest, (True, False, True), *rest, (True, True, True), *rest]


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


class Plain(torch.nn.Module):
    """A generator without a style space: G(z, c) only."""

    z_dim, num_ws = 4, 0

    def __init__(self, c_dim):
        super().__init__()
        self.c_dim = c_dim
        self.linear = torch.nn.Linear(4 + c_dim, 3 * 8 * 8)

    def forward(self, z, c=None):
        return self.linear(z if c is None else torch.cat([z, c], dim=1)).view(-1, 3, 8, 8)


def plain_state(*assignments, classes=0):
    state = tiny_state(*assignments, classes=classes)
    state.generator = Plain(classes).requires_grad_(False)
    state.optimizer_g = torch.optim.Adam(state.generator.parameters(), lr=0.01)
    return state


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains_a_generator_without_styles(name):
    state, c = plain_state(f"loss.name={name}", classes=3), torch.eye(3)[[0, 1, 2, 0]]
    before = weights(state.generator), weights(state.discriminator)
    terms = train_step(state, torch.rand(4, 3, 8, 8), c)
    assert all(moved(state.generator, before[0])) and any(moved(state.discriminator, before[1]))
    assert all(torch.isfinite(value) for value in terms.values())


def test_a_paired_loss_sets_fakes_against_reals_of_their_label():
    state, seen = plain_state("loss.name=relativistic", classes=3), []
    state.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    c = torch.eye(3)[[0, 1, 2, 0]]
    for _ in range(5):
        g_main(state, torch.rand(4, 3, 8, 8), c)
        d_main(state, torch.rand(4, 3, 8, 8), c)
    for labels in seen:
        assert torch.equal(labels, c if len(labels) == 4 else c.repeat_interleave(2, dim=0))


def test_the_generator_of_a_paired_loss_starts_at_log_2():
    state = plain_state("loss.name=relativistic", "optimizer_g.lr=0")
    torch.nn.init.zeros_(state.discriminator.b4.out.weight)
    assert g_main(state, torch.rand(4, 3, 8, 8), None)["loss/g"].item() == pytest.approx(math.log(2))


def test_d_sees_blurred_images_until_the_blur_has_faded():
    state, images = tiny_state("loss.blur_sigma=2", "loss.blur_fade_kimg=1"), torch.rand(4, 3, 8, 8)
    seen = []
    state.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for state.nimg in (0, 500, 1000):
        judged(state, images, None)
    for got, sigma in zip(seen, (2.0, 1.0, 0.0), strict=True):
        torch.testing.assert_close(got, blurred(images, sigma))
    assert seen[2] is images


def test_magnitudes_follow_the_fakes_of_the_discriminator():
    generator = stylegan3.GeneratorConfig(
        resolution=16, z_dim=8, w_dim=8, channel_base=64, channel_max=8, layers=4, critical=1, margin=4
    )
    discriminator = DiscriminatorConfig(resolution=16, channel_base=64, channel_max=8)
    loss = LossConfig(path_length_weight=1.0, r1_gamma=1.0)
    config = RunConfig(generator=generator, discriminator=discriminator, batch=4, loss=loss)
    state = create(config, torch.device("cpu"))
    magnitudes = [b for name, b in state.generator.named_buffers() if name.endswith("magnitude_ema")]
    real = torch.rand(4, 3, 16, 16)
    g_main(state, real, None)
    g_path_length(state, 4, None)
    d_r1(state, real, None)
    assert all(m == 1 for m in magnitudes) and state.generator.mapping.w_avg.any()
    d_main(state, real, None)
    assert len(magnitudes) == 5 and all(m != 1 for m in magnitudes)


def test_broken_gradients_become_finite():
    parameter = torch.nn.Parameter(torch.zeros(4))
    parameter.grad = torch.tensor([float("nan"), float("inf"), float("-inf"), 1.0])
    norm = update(torch.optim.SGD([parameter], lr=1.0))
    assert not torch.isfinite(norm)
    assert parameter.tolist() == pytest.approx([0.0, -1e5, 1e5, -1.0])
    assert parameter.grad is None
