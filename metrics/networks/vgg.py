"""VGG16 (Simonyan and Zisserman 2015, configuration D) as a feature network, with torchvision's weights.

Precision and recall compare the second fully connected layer's output (Kynkaanniemi et al. 2019, section 3);
LPIPS compares the last activation of each of the five stages.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from metrics.networks.weights import WeightFile

SIZE = 224  # pixels of a side
FEATURES = 4096
STAGES = (4, 9, 16, 23, 30)  # end of each stage in torchvision's list of layers, before its max pool
CHANNELS = (64, 128, 256, 512, 512)  # of each stage

# The name holds the beginning of the digest, by which torchvision itself checks the file.
FILE = WeightFile(
    name="vgg16-397923af.pth",
    url="https://download.pytorch.org/models/vgg16-397923af.pth",
    sha256="397923af",
    what="vgg16 (528 MB)",
)


class Vgg16(nn.Module):
    """Frozen network for inference. Input: [N, 3, H, W], ImageNet's mean and deviation taken out of 0..1."""

    def __init__(self, weights: Mapping[str, Tensor]):
        """weights: torchvision's state dict. Raises RuntimeError if a tensor is missing or does not fit."""
        from torchvision.models import vgg16

        super().__init__()
        with torch.device("meta"):
            net = vgg16()
        net.load_state_dict(weights, assign=True)
        self.layers, self.head = net.features, net.classifier[:5]  # up to the ReLU of the second linear layer
        self.eval().requires_grad_(False)

    def stages(self, x: Tensor) -> list[Tensor]:
        """[N, 3, H, W] -> the five activations [N, C, H / 2^i, W / 2^i], C as in CHANNELS."""
        found = []
        for index, layer in enumerate(self.layers):
            if index in STAGES:
                found.append(x)
            x = layer(x)
        return found

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """[N, 3, 224, 224] -> {"fc2": [N, 4096]}, not negative."""
        return {"fc2": self.head(self.layers(x).flatten(1))}
