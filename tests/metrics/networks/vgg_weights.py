"""A state dict of VGG16 for tests: random convolutions, constant linear layers that take no memory."""

import torch
from torch import Tensor

DEPTHS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions of each stage
LINEAR = {"0": (4096, 512 * 49, 1e-4, 0.5), "3": (4096, 4096, 1e-3, 0.25), "6": (1000, 4096, 1.0, 0.0)}


def random_vgg16() -> dict[str, Tensor]:
    """Names and shapes of torchvision's; linear layers have one weight and one bias value throughout."""
    rng = torch.Generator().manual_seed(0)
    state, layer, inputs = {}, 0, 3
    for channels, depth in DEPTHS:
        for _ in range(depth):
            weight = torch.randn(channels, inputs, 3, 3, generator=rng)
            state[f"features.{layer}.weight"] = weight * (2 / (9 * inputs)) ** 0.5
            state[f"features.{layer}.bias"] = 0.1 * torch.randn(channels, generator=rng)
            layer, inputs = layer + 2, channels
        layer += 1
    for name, (outputs, width, weight, bias) in LINEAR.items():
        state[f"classifier.{name}.weight"] = torch.tensor(weight).expand(outputs, width)
        state[f"classifier.{name}.bias"] = torch.tensor(bias).expand(outputs)
    return state
