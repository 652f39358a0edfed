"""The VGG16 of ST-LPIPS: its blur against a hand-made one, its features, and what does not fit."""

import pytest
import torch
import torch.nn.functional as F

from gan.errors import UserError
from metrics.networks.st_lpips import FEATURES, STAGES, StLpipsVgg
from metrics.networks.vgg import CHANNELS


@pytest.fixture(scope="module")
def state():
    """Random weights under the names of the published file."""
    rng = torch.Generator().manual_seed(0)
    state = {"scaling_layer.shift": torch.tensor([-0.03, -0.088, -0.188]).view(1, 3, 1, 1)}
    state["scaling_layer.scale"] = torch.tensor([0.458, 0.448, 0.45]).view(1, 3, 1, 1)
    taps = torch.tensor([1.0, 2.0, 1.0])
    for index, (blur, convolutions) in enumerate(STAGES):
        place, channels = f"net.slice{index + 1}", CHANNELS[index]
        if blur is not None:
            filt = taps[:, None] * taps / 16
            state[f"{place}.{blur}.filt"] = filt.expand(CHANNELS[index - 1], 1, 3, 3)
        for number, layer in enumerate(convolutions):
            inputs = channels if number else (3, *CHANNELS)[index]
            weight = torch.randn(channels, inputs, 3, 3, generator=rng)
            state[f"{place}.{layer}.weight"] = weight * (2 / (9 * inputs)) ** 0.5
            state[f"{place}.{layer}.bias"] = 0.1 * torch.randn(channels, generator=rng)
        state[f"lin{index}.model.1.weight"] = torch.rand(1, channels, 1, 1, generator=rng)
    return state


@torch.inference_mode()
def test_a_pool_takes_every_maximum_and_blurs_while_it_halves(state, close):
    net, x = StLpipsVgg(state), torch.rand(2, 3, 32, 32) * 2 - 1
    first, second, *_ = net.stages(x)
    assert [tuple(f.shape[1:]) for f in net.stages(x)] == [
        (64, 32, 32), (128, 17, 17), (256, 9, 9), (512, 5, 5), (512, 3, 3),
    ]  # fmt: skip
    largest = first.unfold(2, 2, 1).unfold(3, 2, 1).amax(dim=(4, 5))  # [2, 64, 31, 31]
    padded = torch.cat([largest[:, :, [2, 1]], largest, largest[:, :, [-2, -3]]], 2)
    padded = torch.cat([padded[..., [2, 1]], padded, padded[..., [-2, -3]]], 3)
    taps = torch.tensor([0.25, 0.5, 0.25])
    blurred = padded.unfold(2, 3, 2).unfold(3, 3, 2)  # [2, 64, 17, 17, 3, 3]
    y = torch.einsum("nchwij,i,j->nchw", blurred, taps, taps)
    for layer in (6, 8):
        y = F.conv2d(
            y, state[f"net.slice2.{layer}.weight"], state[f"net.slice2.{layer}.bias"], padding=1
        ).relu()
    close(second, y)


@torch.inference_mode()
def test_features_are_what_the_distance_compares(state, close):
    """Of a picture and its like elsewhere; each stage alone, by hand."""
    net, x = StLpipsVgg(state), torch.rand(2, 3, 32, 32) * 2 - 1
    parts = []
    for index, f in enumerate(net.stages(x)):
        unit = f / f.square().sum(1, keepdim=True).sqrt().clamp_min(1e-10)
        parts.append(unit.mean(dim=(2, 3)) * state[f"lin{index}.model.1.weight"].flatten().sqrt())
    found = net(x)["pool"]
    close(found, torch.cat(parts, 1))
    assert found.shape == (2, FEATURES) and FEATURES == 1472


def test_other_weights_are_named(state):
    with pytest.raises(UserError, match=r"lin4.model.1.weight must have the shape \[1, 512, 1, 1\]"):
        StLpipsVgg({name: t for name, t in state.items() if name != "lin4.model.1.weight"})
    with pytest.raises(UserError, match=r"net.slice2.5.filt must have the shape \[64, 1, 3, 3\]"):
        StLpipsVgg({**state, "net.slice2.5.filt": torch.ones(64, 1, 5, 5)})
