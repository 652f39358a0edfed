"""Seeds to latents, and edits of latents against closed forms and pinned numbers."""

import math

import numpy as np
import pytest
import torch

from gan.errors import UsageError
from gan.latents import lerp, mix, parse_seeds, slerp, truncate, walk, z_from_seeds


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_seed_seven_is_the_fields_seed_seven():
    z = z_from_seeds([7], 4)
    assert z.dtype == torch.float32
    pinned = [1.690525703800356, -0.4659373705408328, 0.0328201636785844, 0.40751628299650783]
    assert z.tolist() == [np.float32(pinned).tolist()]


def test_a_seed_does_not_depend_on_its_neighbours():
    together = z_from_seeds([0, 7, 2**32 - 1, 7], 16)
    for row, seed in zip(together, [0, 7, 2**32 - 1, 7], strict=True):
        assert torch.equal(row, z_from_seeds([seed], 16)[0])
    assert z_from_seeds([], 16).shape == (0, 16)


def test_latents_are_standard_normal():
    z = z_from_seeds(range(400), 64)
    assert abs(z.mean().item()) < 5 / math.sqrt(z.numel())
    assert abs(z.var().item() - 1) < 5 * math.sqrt(2 / z.numel())


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range_are_refused(seed):
    with pytest.raises(UsageError, match=f"seed {seed} .*4294967295"):
        z_from_seeds([seed], 4)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0-3", [0, 1, 2, 3]), ("1,5,8-10", [1, 5, 8, 9, 10]), (" 4 , 2 - 3", [4, 2, 3]), ("7-7,7", [7, 7])],
)
def test_parse_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no number"),
        ("1,,2", "no number"),
        ("a-3", "'a-3' is no number"),
        ("-5", "'-5' is no number"),
        ("1-2-3", "no number"),
        ("9-3", "write 3-9"),
        ("4294967296", "out of range"),
        ("0-4294967295", "more than 1000000 seeds"),
    ],
)
def test_parse_seeds_says_what_is_wrong(text, message):
    with pytest.raises(UsageError, match=message):
        parse_seeds(text)


def test_truncate_moves_the_first_layers_towards_the_mean():
    ws, w_avg = normal(2, 5, 3), normal(3, seed=1)
    out = truncate(ws, w_avg, psi=0.25, cutoff=2)
    torch.testing.assert_close(out[:, :2], w_avg + 0.25 * (ws[:, :2] - w_avg))
    assert torch.equal(out[:, 2:], ws[:, 2:])
    assert torch.equal(truncate(ws, w_avg, psi=1.0), ws)
    assert torch.equal(truncate(ws, w_avg, psi=0.0), w_avg.expand(2, 5, 3))
    assert torch.equal(truncate(ws, w_avg, psi=0.5, cutoff=0), ws)


def test_mix_takes_the_named_layers_from_b():
    a, b = normal(3, 6, 4), normal(1, 6, 4, seed=1)
    out = mix(a, b, 2, 4)
    assert torch.equal(out[:, 2:4], b[:, 2:4].expand(3, 2, 4))
    assert torch.equal(out[:, :2], a[:, :2])
    assert torch.equal(out[:, 4:], a[:, 4:])
    assert torch.equal(mix(a, b, 0), b.expand(3, 6, 4))
    assert torch.equal(mix(a, b, 6), a)


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 7)])
def test_mix_refuses_layers_that_do_not_exist(start, stop):
    with pytest.raises(UsageError, match=r"cannot mix layers .* of 6"):
        mix(normal(1, 6, 4), normal(1, 6, 4), start, stop)


def test_slerp_against_pinned_numbers():
    """Reference values of the field's formula, float64."""
    a = [[0.5795574469058739, 1.0327611197101139, -2.393975395065861, 0.6454713403692846]]
    a[0] += [0.8994313437184017, 0.17982369174363452]
    b = [[-0.2722839326649796, -0.0024477053169236936, -0.15086722042893605, -2.0706389626027204]]
    b[0] += [-0.9636068875164449, -1.7101386625627832]
    y = [[0.1627215933377117, 0.3656683585895012, -0.8721789499905334, -0.09591652111825429]]
    y[0] += [0.16769121572211562, -0.20443065065620056]
    a, b, y = (torch.tensor(x, dtype=torch.float64) for x in (a, b, y))
    torch.testing.assert_close(slerp(a, b, 0.2413674500340609), y, rtol=1e-14, atol=1e-15)


def test_slerp_moves_at_constant_speed_on_the_unit_sphere():
    a, b = normal(4, 8) * 3, normal(4, 8, seed=1)
    angle = torch.acos(torch.nn.functional.cosine_similarity(a, b))
    for t in (0.0, 0.25, 1.0):
        y = slerp(a, b, t)
        torch.testing.assert_close(y.norm(dim=-1), torch.ones(4, dtype=y.dtype))
        passed = torch.acos(torch.nn.functional.cosine_similarity(y, a).clamp(max=1))
        torch.testing.assert_close(passed, t * angle, atol=1e-6, rtol=0)


def test_slerp_between_equal_and_between_opposite_vectors_is_finite():
    a = normal(2, 8).float()
    unit = a / a.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(slerp(a, a, 0.3), unit)
    assert slerp(a, -a, 0.5).isfinite().all()


def test_lerp_accepts_one_weight_per_row():
    a, b = normal(2, 3), normal(2, 3, seed=1)
    t = torch.tensor([[0.0], [0.5]], dtype=torch.float64)
    torch.testing.assert_close(lerp(a, b, t), torch.stack([a[0], (a[1] + b[1]) / 2]))


@pytest.mark.parametrize("kind", ["linear", "spherical"])
@pytest.mark.parametrize(("loop", "length"), [(True, 12), (False, 9)])
def test_walk_visits_every_keyframe(kind, loop, length):
    keyframes = normal(3, 2, 5)
    frames = walk(keyframes, 4, loop=loop, kind=kind)
    assert frames.shape == (length, 2, 5)
    torch.testing.assert_close(frames[[0, 4, 8]], keyframes)


def test_a_loop_closes_with_an_equal_step():
    keyframes = normal(3, 5)
    frames = walk(keyframes, 4)
    torch.testing.assert_close(frames[0] - frames[-1], (keyframes[0] - keyframes[2]) / 4)


def test_a_spherical_walk_keeps_the_length_that_a_straight_one_loses():
    keyframes = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    spherical, linear = (walk(keyframes, 2, loop=False, kind=kind) for kind in ("spherical", "linear"))
    torch.testing.assert_close(spherical[1], torch.full((2,), math.sqrt(2)))
    torch.testing.assert_close(linear[1], torch.ones(2))


def test_one_keyframe_stands_still():
    keyframe = normal(1, 5)
    torch.testing.assert_close(walk(keyframe, 3, kind="spherical"), keyframe.expand(3, 5))
    assert torch.equal(walk(keyframe, 3, loop=False), keyframe)


def test_walk_refuses_nonsense():
    with pytest.raises(UsageError, match="0 keyframes"):
        walk(normal(0, 5), 3)
    with pytest.raises(UsageError, match="0 steps"):
        walk(normal(2, 5), 0)
    with pytest.raises(UsageError, match="unknown kind of path 'cubik'"):
        walk(normal(2, 5), 3, kind="cubik")
