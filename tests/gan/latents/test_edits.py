"""Edits of latents against closed forms."""

import pytest
import torch

from gan import latents
from gan.errors import UsageError


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_truncation_towards_a_centre_of_each_sample():
    ws, centers = normal(3, 4, 5), normal(3, 5, seed=1)
    out = latents.truncate(ws, centers, psi=0.25, cutoff=3)
    for i in range(3):
        assert torch.equal(out[i], latents.truncate(ws[i : i + 1], centers[i], 0.25, 3)[0])
    assert torch.equal(latents.truncate(ws, centers, 0.0), centers[:, None].expand(3, 4, 5))


def test_any_set_of_layers_is_mixed():
    a, b = normal(2, 6, 3), normal(1, 6, 3, seed=1)
    out = latents.mix_layers(a, b, [0, 4])
    assert torch.equal(out[:, [0, 4]], b[:, [0, 4]].expand(2, 2, 3))
    assert torch.equal(out[:, [1, 2, 3, 5]], a[:, [1, 2, 3, 5]])
    assert torch.equal(latents.mix_layers(a, b, range(2, 4)), latents.mix(a, b, 2, 4))


def test_blending_by_layer_and_by_channel():
    a, b = normal(2, 3, 4), normal(2, 3, 4, seed=1)
    out = latents.blend(a, b, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(out, torch.stack([a[:, 0], (a[:, 1] + b[:, 1]) / 2, b[:, 2]], dim=1))
    amounts = torch.zeros(3, 4)
    amounts[1, 2] = 1
    out = latents.blend(a, b, amounts)
    assert torch.equal(out[:, 1, 2], b[:, 1, 2])
    assert (out != a).sum() == 2


def test_a_shift_touches_the_named_layers_and_channels_alone():
    ws, direction = normal(2, 3, 4), normal(4, seed=1)
    out = latents.shift(ws, direction, torch.tensor([2.0, -1.0]), layers=[0, 2], channels=[1])
    expected = ws.clone()
    expected[0, [0, 2], 1] += 2 * direction[1]
    expected[1, [0, 2], 1] -= direction[1]
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(latents.shift(ws, direction, 0.5), ws + 0.5 * direction)
    each = normal(3, 4, seed=2)
    torch.testing.assert_close(latents.shift(ws, each, 2.0), ws + 2 * each)


def test_z_takes_a_shift_and_has_no_layers():
    z, direction = normal(2, 4), normal(4, seed=1)
    torch.testing.assert_close(latents.shift(z, direction, torch.tensor([1.0, 0.0]))[0], z[0] + direction)
    with pytest.raises(UsageError, match="z has no layers"):
        latents.shift(z, direction, 1.0, layers=[0])


def test_assigned_values():
    ws = normal(2, 3, 4)
    out = latents.assign(ws, 7.0, layers=[1], channels=[0, 3])
    assert (out[:, 1, [0, 3]] == 7).all() and (out == 7).sum() == 4
    assert torch.equal(torch.where(out == 7, ws, out), ws)
    assert torch.equal(latents.assign(ws, normal(4, seed=3), layers=[2])[1, 2], normal(4, seed=3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [3]}, "layer 3 does not exist; there are 0 to 2"),
        ({"layers": [-1]}, "layer -1 does not exist"),
        ({"channels": [0, 4]}, "channel 4 does not exist; there are 0 to 3"),
    ],
)
def test_layers_and_channels_that_do_not_exist(options, message):
    for edit in (
        lambda ws: latents.shift(ws, ws[0, 0], 1.0, **options),
        lambda ws: latents.assign(ws, 0.0, **options),
    ):
        with pytest.raises(UsageError, match=message):
            edit(normal(2, 3, 4))


def test_attribute_arithmetic():
    having, lacking = normal(5, 4) + torch.tensor([3.0, 0, 0, 0]), normal(7, 4, seed=1)
    direction = latents.attribute(having, lacking)
    torch.testing.assert_close(direction, having.mean(0) - lacking.mean(0))
    torch.testing.assert_close(latents.shift(lacking, direction, 1.0).mean(0), having.mean(0))
    a, b, c = normal(3, 4)
    assert torch.equal(latents.analogy(a, b, b), a - b + b)
    torch.testing.assert_close(latents.analogy(a, b, c), a + (c - b))
    with pytest.raises(UsageError, match="0 latents have the attribute and 7 lack it"):
        latents.attribute(having[:0], lacking)


def test_a_direction_without_others_changes_none_of_them():
    direction, others = normal(6), normal(2, 6, seed=1)
    others = torch.cat([others, others.sum(0, keepdim=True)])  # the third says nothing new
    rest = latents.without(direction, others)
    torch.testing.assert_close(others @ rest, torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)
    coefficients = torch.linalg.lstsq(others[:2].T, direction - rest).solution
    torch.testing.assert_close(others[:2].T @ coefficients, direction - rest)  # what went was theirs
    torch.testing.assert_close(latents.without(direction, others[:0]), direction)


@pytest.mark.parametrize(
    ("text", "layers"),
    [("0-2", [0, 1, 2]), ("3", [3]), ("4-,0", [0, 4, 5]), ("all", [0, 1, 2, 3, 4, 5]), ("1,1-2", [1, 2])],
)
def test_layers_by_text(text, layers):
    assert latents.parse_layers(text, 6) == layers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("6", "this model has layers 0 to 5; '6' is none"),
        ("3-6", "'3-6' is none"),
        ("3-1", "'3-1' is none"),
        ("", "'' is no number"),
        ("-2", "'' is no number"),
        ("a", "'a' is no number"),
        ("1-b", "'b' is no number"),
    ],
)
def test_layers_that_are_none(text, message):
    with pytest.raises(UsageError, match=message):
        latents.parse_layers(text, 6)
