"""Centres of w: k-means finds planted ones, and multimodal truncation keeps both modes of a toy."""

import pytest
import torch
from torch import nn

from gan import latents
from gan.errors import UsageError
from tests.gan.latents.every_family import generator


class TwoModes(nn.Module):
    """w is close to (4, 0, ...) or to (-4, 0, ...), by the sign of the first z; 3 layers."""

    z_dim = w_dim = 6
    num_ws, c_dim = 3, 0

    def __init__(self):
        super().__init__()
        self.at = nn.Parameter(torch.tensor(4.0))

    def mapping(self, z, c=None):
        w = 0.5 * z
        w = torch.cat([z[:, :1].sign() * self.at + w[:, :1], w[:, 1:]], dim=1)
        return w[:, None].repeat(1, self.num_ws, 1)


def test_two_modes_stay_two_under_multimodal_truncation():
    toy = TwoModes()
    w = latents.drawn_w(toy, 2000)
    centers = latents.find_centers(w, 2)
    assert sorted(centers[:, 0].round().tolist()) == [-4.0, 4.0]
    ws = toy.mapping(latents.z_from_seeds(range(100), 6))
    sides = ws[:, 0, 0].sign()
    kept = latents.truncate(ws, latents.nearest_center(ws, centers), 0.3)[:, 0, 0]
    assert torch.equal(kept.sign(), sides) and kept.abs().min() > 3
    spread = latents.truncate(ws, centers[nearest_of(w, centers)].mean(0), 0.3)[:, 0, 0]
    assert spread.abs().max() < 2  # the global mean lies between the modes, where no sample is
    within = latents.truncate(ws, latents.nearest_center(ws, centers), 0.0)[:, 0]
    assert torch.equal(within, centers[latents.nearest(ws, centers)])


def nearest_of(w: torch.Tensor, centers: torch.Tensor) -> torch.Tensor:
    return (w[:, None] - centers).norm(dim=2).argmin(dim=1)


def test_the_nearest_centre_is_so_over_all_layers():
    ws, centers = torch.randn(50, 4, 6), torch.randn(5, 6)
    expected = (ws[:, :, None] - centers).square().sum(dim=(1, 3)).argmin(dim=1)
    assert torch.equal(latents.nearest(ws, centers), expected)
    assert torch.equal(latents.nearest(ws[:, 0], centers), nearest_of(ws[:, 0], centers))


def test_one_centre_is_the_mean_and_seeds_repeat():
    w = latents.drawn_w(TwoModes(), 300)
    torch.testing.assert_close(latents.find_centers(w, 1)[0], w.mean(0), atol=1e-5, rtol=0)
    assert torch.equal(latents.find_centers(w, 5, seed=3), latents.find_centers(w, 5, seed=3))
    assert torch.equal(latents.drawn_w(TwoModes(), 1500)[:1200], latents.drawn_w(TwoModes(), 1200))
    assert not torch.equal(latents.drawn_w(TwoModes(), 4, seed=1), latents.drawn_w(TwoModes(), 4))


def test_each_class_has_its_centre(close):
    built = generator("stylegan2 of classes")
    centers = latents.class_centers(built, draws=40, seed=2)
    z = latents.drawn_w(built, 40, seed=2, c=torch.eye(3)[1:2])
    close(centers[1], z.mean(0))
    assert centers.shape == (3, 8) and not torch.allclose(centers[0], centers[1], atol=1e-3)


def test_mistakes():
    w = torch.zeros(10, 4)
    w[0] = 1
    for words, call in (
        ("cannot find 11 centres of 10 w; use 1 to 10", lambda: latents.find_centers(w, 11)),
        ("only 2 of the 10 w differ", lambda: latents.find_centers(w, 3)),
        ("0 draws of w", lambda: latents.drawn_w(TwoModes(), 0)),
        ("conditional: give c", lambda: latents.drawn_w(generator("stylegan2 of classes"), 2)),
        ("no classes, so no centre of each", lambda: latents.class_centers(TwoModes())),
        ("a sngan generator has no style space: it cannot be truncated",
         lambda: latents.class_centers(generator("sngan of classes"))),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            call()
