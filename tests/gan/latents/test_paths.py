"""Paths against closed forms: exact at keyframes, smooth where they say so, loops that close."""

import pytest
import torch

from gan import latents
from gan.errors import UsageError
from tests.gan.latents.test_edits import normal

KINDS = ("linear", "spherical", "cubic")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_keyframes_are_met_to_the_bit(kind, loop, dtype):
    keyframes = normal(4, 3, 5).to(dtype)
    frames = latents.walk(keyframes, 7, loop=loop, kind=kind, keep_length=True)
    assert torch.equal(frames[::7], keyframes)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_a_walk_are_the_walk(kind):
    keyframes = normal(3, 2, 5)
    times = latents.frame_times(3, 4, loop=False)
    parts = [latents.along(keyframes, part, kind=kind, loop=False) for part in times.split(5)]
    assert torch.equal(torch.cat(parts), latents.walk(keyframes, 4, loop=False, kind=kind))


def test_the_spline_of_a_parabola_is_the_parabola():
    """Catmull-Rom slopes are central differences, which are exact for polynomials of degree 2."""
    keys = torch.arange(6, dtype=torch.float64)[:, None]
    frames = latents.walk(keys**2, 4, loop=False, kind="cubic")
    times = latents.frame_times(6, 4, loop=False)[:, None]
    torch.testing.assert_close(frames[4:17], (times**2)[4:17])


def test_the_spline_is_smooth_at_its_keyframes_and_a_line_is_not():
    keyframes, step = normal(4, 5), 1e-6
    around = torch.tensor([1 - step, 1.0, 1 + step], dtype=torch.float64)
    for kind, smooth in (("cubic", True), ("linear", False)):
        before, at, after = latents.along(keyframes, around, kind=kind)
        slopes = (at - before) / step, (after - at) / step
        assert torch.allclose(*slopes, atol=1e-4) is smooth
    torch.testing.assert_close(
        (after - before) / (2 * step), (keyframes[2] - keyframes[0]) / 2, atol=1e-4, rtol=0
    )


def test_an_open_spline_ends_as_if_mirrored():
    """Two keyframes, mirrored at both ends, lie on a line at equal distances."""
    keyframes = normal(2, 5)
    torch.testing.assert_close(
        latents.walk(keyframes, 4, loop=False, kind="cubic"), latents.walk(keyframes, 4, loop=False)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_has_no_beginning(kind):
    keyframes = normal(4, 5)
    turned = latents.walk(keyframes.roll(-1, dims=0), 6, kind=kind)
    torch.testing.assert_close(turned, latents.walk(keyframes, 6, kind=kind).roll(-6, dims=0))
    late = latents.along(keyframes, torch.tensor([0.25, 4.25, -3.75]), kind=kind)
    torch.testing.assert_close(late, late[:1].expand(3, 5))


def test_an_open_path_stays_at_its_ends():
    keyframes = normal(3, 5)
    for kind in KINDS:
        ends = latents.along(keyframes, torch.tensor([-1.0, 9.0]), kind=kind, loop=False)
        assert torch.equal(ends, keyframes[[0, 2]])


def test_lengths_are_kept_where_z_needs_them():
    z = latents.z_from_seeds(range(4), 256)
    shrunk, kept = (latents.walk(z, 8, kind="cubic", keep_length=keep).norm(dim=1) for keep in (False, True))
    assert shrunk.min() < 0.85 * z.norm(dim=1).min()
    assert kept.min() > 0.99 * z.norm(dim=1).min() and kept.max() < 1.01 * z.norm(dim=1).max()


@pytest.mark.parametrize("kind", KINDS)
def test_each_layer_has_its_speed(kind):
    keyframes = normal(4, 3, 5)
    frames = latents.walk(keyframes, 6, kind=kind, speeds=[1, 2, 0])
    plain = latents.walk(keyframes, 6, kind=kind)
    torch.testing.assert_close(frames[:, 0], plain[:, 0])
    torch.testing.assert_close(frames[:, 1], torch.cat([plain[::2, 1]] * 2))
    assert torch.equal(frames[:, 2], keyframes[:1, 2].expand(24, 5))
    assert torch.equal(frames[6, 1], keyframes[2, 1])


def test_an_open_path_takes_any_speed():
    keyframes = normal(3, 2, 5)
    frames = latents.walk(keyframes, 4, loop=False, speeds=[0.5, 4])
    torch.testing.assert_close(frames[4, 0], (keyframes[0, 0] + keyframes[1, 0]) / 2)
    assert torch.equal(frames[2:, 1], keyframes[2:, 1].expand(7, 5))


def test_nonsense_is_refused():
    keyframes = normal(3, 2, 5)
    with pytest.raises(UsageError, match="unknown kind of path 'cubi'; did you mean 'cubic'"):
        latents.walk(keyframes, 3, kind="cubi")
    with pytest.raises(UsageError, match="speed 0.5 of a layer: give whole numbers"):
        latents.walk(keyframes, 3, speeds=[0.5, 1])
    with pytest.raises(UsageError, match="speed -1 of a layer: give numbers from 0 on"):
        latents.walk(keyframes, 3, loop=False, speeds=[-1, 1])
    with pytest.raises(UsageError, match=r"keyframes \[3, 2, 5\] at times \[9, 3\]"):
        latents.walk(keyframes, 3, speeds=[1, 1, 1])


def test_seeds_as_text():
    for seeds, text in (([0, 1, 2, 8], "0-2,8"), ([7, 7, 6], "7,7,6"), ([], ""), ([3, 4, 4, 5], "3-4,4-5")):
        assert latents.seeds_text(seeds) == text
        assert not text or latents.parse_seeds(text) == seeds
