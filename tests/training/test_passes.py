"""What the phases show the networks: pairs in one pass, labels of the fakes, blur."""

import pytest
import torch

from gan.randomness import Draws
from tests.training.tiny import learned, plain_state, tiny_state
from training.blur import blurred
from training.passes import draw_ws, interleaved, judged, shuffled
from training.step import train_step


@pytest.mark.parametrize(("batch", "group"), [(4, 4), (8, 4), (8, 8), (6, 2)])
def test_one_pass_over_both_equals_two_passes(batch, group):
    D = tiny_state(f"discriminator.mbstd_group={group}", f"batch={batch}").discriminator
    fake, real = torch.randn(2, batch, 3, 8, 8).unbind()
    both = D(interleaved(fake, real))
    torch.testing.assert_close(both, interleaved(D(fake), D(real)))


@pytest.mark.parametrize("setting", ["name=relativistic", "gradient_penalty_weight=1"])
def test_where_one_is_compared_with_one_both_have_one_label(setting):
    state, seen = plain_state("loss.r1_gamma=0", f"loss.{setting}", classes=3), []
    state.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    c = torch.eye(3)[[0, 1, 2, 0]]
    for _ in range(5):
        learned(state, "g", torch.rand(4, 3, 8, 8), c)
        learned(state, "d", torch.rand(4, 3, 8, 8), c)
    for labels in seen:
        assert torch.equal(labels, c if len(labels) == 4 else c.repeat_interleave(2, dim=0))


def test_other_losses_shuffle_the_labels_of_fakes():
    state, c, seen = plain_state("loss.r1_gamma=0", "batch=16", classes=16), torch.eye(16), []
    state.generator.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    learned(state, "g", torch.rand(16, 3, 8, 8), c)
    assert not torch.equal(seen[0], c) and torch.equal(seen[0].sum(dim=0), torch.ones(16))
    assert shuffled(None, Draws(0, 0, ())) is None


def test_d_sees_blurred_images_until_the_blur_has_faded():
    state, images = tiny_state("loss.blur_sigma=2", "loss.blur_fade_kimg=1"), torch.rand(4, 3, 8, 8)
    seen = []
    state.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for state.nimg in (0, 500, 1000):
        judged(state, images, None, Draws(0, 0, range(4)))
    for got, sigma in zip(seen, (2.0, 1.0, 0.0), strict=True):
        torch.testing.assert_close(got, blurred(images, sigma))
    assert seen[2] is images


@pytest.mark.parametrize(
    ("settings", "passes"),
    [(["name=relativistic", "r1_interval=1"], 4), (["r1_gamma=0", "gradient_penalty_weight=1"], 3)],
)
def test_every_image_that_d_sees_is_blurred(settings, passes):
    blur = ["loss.blur_sigma=5", "loss.blur_fade_kimg=1"]
    state, seen = plain_state(*(f"loss.{setting}" for setting in settings), *blur), []
    torch.nn.init.zeros_(state.generator.linear.weight)
    torch.nn.init.ones_(state.generator.linear.bias)
    state.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    train_step(state, torch.ones(4, 3, 8, 8), None)
    assert len(seen) == passes
    assert all(images[:, :, 0, 0].max() < 0.5 for images in seen)  # the corner has mixed with zeros beyond it


class Counting(torch.nn.Module):
    """A mapping network whose w are the number of the call."""

    calls = 0

    def forward(self, z, c):
        self.calls += 1
        return torch.full([len(z), 4, 8], float(self.calls))


def test_styles_are_mixed_at_their_probability():
    """The first layer is always of the first z: else nothing would be mixed."""
    state, starts = tiny_state("loss.style_mixing=0.8"), []
    for nimg in range(300):
        state.generator.mapping = Counting()
        ws = draw_ws(state, Draws(0, nimg, range(4)), None)
        assert (ws == ws[:1, :, :1]).all()
        layers = ws[0, :, 0].tolist()
        assert layers == sorted(layers)
        starts.append(layers.count(1))
    assert set(starts) == {1, 2, 3, 4}
    assert abs(starts.count(4) / 300 - 0.2) < 4 * (0.2 * 0.8 / 300) ** 0.5  # four standard deviations
