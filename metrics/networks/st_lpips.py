"""The VGG16 of shift-tolerant LPIPS (Ghildyal & Liu 2022) as a feature network, from a PyPI package's file.

It is LPIPS made anew: every pool takes the maximum at all places and then blurs while it halves, and backbone
and heads were fitted together. So its distances are not those of LPIPS, and it has a name of its own.

Letters: N images, H rows, W columns, D features.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.errors import UserError
from metrics.networks.vgg import CHANNELS

SIZE = 64  # pixels of a side
FEATURES = sum(CHANNELS)
PACKAGE = "stlpips_pytorch"  # located, never imported
FILE = "weights/vST0.0/vgg_shift_tolerant.pth"
SHA256 = "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250"
# Numbers of the convolutions and of the blur before them, of each stage, in the names of the file.
STAGES = ((None, (0, 2)), (5, (6, 8)), (11, (12, 14, 16)), (19, (20, 22, 24)), (27, (28, 30, 32)))


class StLpipsVgg(nn.Module):
    """Frozen network for inference. Input: [N, 3, H, W] in -1..1."""

    def __init__(self, weights: Mapping[str, Tensor]):
        """weights: the published state dict. UserError where a tensor is missing or has another shape."""
        super().__init__()
        self.layers: list[tuple[str, str]] = []  # what is done, in order: ("conv", name) or ("pool", name)
        for stage, (blur, convolutions) in enumerate(STAGES, 1):
            place = f"net.slice{stage}"
            if blur is not None:
                self._keep(weights, f"{place}.{blur}.filt", (CHANNELS[stage - 2], 1, 3, 3))
                self.layers.append(("pool", f"{place}.{blur}"))
            for index, number in enumerate(convolutions):
                inputs = CHANNELS[stage - 1] if index else (3, *CHANNELS)[stage - 1]
                self._keep(weights, f"{place}.{number}.weight", (CHANNELS[stage - 1], inputs, 3, 3))
                self._keep(weights, f"{place}.{number}.bias", (CHANNELS[stage - 1],))
                self.layers.append(("conv", f"{place}.{number}"))
            self._keep(weights, f"lin{stage - 1}.model.1.weight", (1, CHANNELS[stage - 1], 1, 1))
        for name in ("scaling_layer.shift", "scaling_layer.scale"):
            self._keep(weights, name, (1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def _keep(self, weights: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> None:
        tensor = weights.get(name)
        if tensor is None or tuple(tensor.shape) != shape:
            raise UserError(f"no weights of st-lpips-vgg: {name} must have the shape {list(shape)}")
        self.register_buffer(name.replace(".", "_"), tensor.float())

    def tensor(self, name: str) -> Tensor:
        """A tensor by the name that the file has for it."""
        return self.get_buffer(name.replace(".", "_"))

    def stages(self, x: Tensor) -> list[Tensor]:
        """[N, 3, H, W] -> the last activations of the five stages, of CHANNELS channels."""
        x, found = (x - self.tensor("scaling_layer.shift")) / self.tensor("scaling_layer.scale"), []
        for kind, name in self.layers:
            if kind == "pool":
                found.append(x)
                x = F.pad(F.max_pool2d(x, 2, stride=1), (2, 2, 2, 2), mode="reflect")
                x = F.conv2d(x, self.tensor(f"{name}.filt"), stride=2, groups=x.shape[1])
            else:
                x = F.conv2d(x, self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias"), padding=1).relu()
        return [*found, x]

    def rows(self, x: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, R] such that the squared distance of two rows is ST-LPIPS of the two images."""
        parts = []
        for index, f in enumerate(self.stages(x)):
            root = self.tensor(f"lin{index}.model.1.weight").clamp_min(0).sqrt()
            parts.append((F.normalize(f, dim=1, eps=1e-10) * root).flatten(1) / f[0, 0].numel() ** 0.5)
        return torch.cat(parts, dim=1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """[N, 3, H, W] -> {"pool": [N, D]}: of each stage the mean over places of what ST-LPIPS compares.

        That is the activation at unit length over its channels, times the root of the head's weight: so the
        squared distance of two rows is ST-LPIPS of the images but for where in the picture things are.
        """
        parts = []
        for index, f in enumerate(self.stages(x)):
            unit = F.normalize(f, dim=1, eps=1e-10).mean(dim=(2, 3))
            parts.append(unit * self.tensor(f"lin{index}.model.1.weight").clamp_min(0).sqrt().flatten())
        return {"pool": torch.cat(parts, dim=1)}
