"""EfficientNet-Lite as a feature network: EfficientNet-B0 (Tan and Le 2019, table 1) made plain.

The Lite variant has no squeeze-and-excitation, uses ReLU6 and keeps stem and head at 32 and 1,280 channels.
Convolutions are padded as TensorFlow's "SAME", because the published weights were trained that way.
Lite1 repeats blocks 1.1 times as often, rounded up, but for the first and last stage.
"""

import math
import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

FEATURES = 1280
CHANNELS = (24, 40, 112, 320)  # of `scales`
STAGES = (  # repeats, kernel, stride of the first block, expansion, output channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class SameConv(nn.Conv2d):
    """Convolution without bias; output size = ceil(size / stride), an odd pixel of padding is at the end.

    stride: 1 or 2.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, C, H, W] -> [N, outputs, ceil(H / stride), ceil(W / stride)]."""
        if self.stride[0] == 1:
            return super().forward(x)
        down, across = (self._uneven(size) for size in x.shape[2:])
        side = self.kernel_size[0] // 2
        if self.groups == 1:  # the first layer, whose kernel is dear and whose input is small
            x = F.pad(x, (side - across, side, side - down, side))
            return super().forward(x)
        weight = F.pad(self.weight, (across, 0, down, 0))  # instead of x, which is a hundred times as large
        return F.conv2d(x, weight, self.bias, self.stride, side, groups=self.groups)

    @staticmethod
    def _uneven(size: int) -> int:
        """How much less an axis is padded before it than behind it, at a stride of 2."""
        return 1 - size % 2


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class MBConv(nn.Module):
    """Inverted residual block (Sandler et al. 2018, fig. 3b): expand 1x1, depthwise, project 1x1."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = inputs * expansion
        if expansion > 1:
            self.expand_conv, self.bn0 = SameConv(inputs, inner, 1), _norm(inner)
        self.depthwise_conv, self.bn1 = SameConv(inner, inner, kernel, stride, groups=inner), _norm(inner)
        self.project_conv, self.bn2 = SameConv(inner, outputs, 1), _norm(outputs)
        self.expands, self.residual = expansion > 1, stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        y = F.relu6(self.bn0(self.expand_conv(x)), inplace=True) if self.expands else x
        y = F.relu6(self.bn1(self.depthwise_conv(y)), inplace=True)
        y = self.bn2(self.project_conv(y))
        return y.add_(x) if self.residual else y


class EfficientNetLite(nn.Module):
    """Frozen network for inference (in-place activations). Input: pixels 0..255, as (x - 127) / 128.

    depth: how much oftener the blocks of the inner stages are repeated: 1 is Lite0, 1.1 Lite1.
    """

    def __init__(self, depth: float = 1.0):
        super().__init__()
        self.conv_stem, self.bn0 = SameConv(3, 32, 3, stride=2), _norm(32)
        blocks, channels = [], 32
        for stage, (repeats, kernel, stride, expansion, outputs) in enumerate(STAGES):
            inner = 0 < stage < len(STAGES) - 1
            for index in range(math.ceil(depth * repeats) if inner else repeats):
                blocks.append(MBConv(channels, outputs, kernel, 1 if index else stride, expansion))
                channels = outputs
        self.blocks = nn.ModuleList(blocks)
        self.conv_head, self.bn1 = SameConv(channels, FEATURES, 1), _norm(FEATURES)
        self.fc = nn.Linear(FEATURES, 1000)
        self.eval().requires_grad_(False)

    def features(self, x: Tensor) -> Tensor:
        """Mean over positions of the last activation: [N, 3, H, W] -> [N, 1280]."""
        x = F.relu6(self.bn0(self.conv_stem(x)), inplace=True)
        for block in self.blocks:
            x = block(x)
        x = F.relu6(self.bn1(self.conv_head(x)), inplace=True)
        return x.mean(dim=(2, 3))

    def scales(self, x: Tensor) -> list[Tensor]:
        """The last map of 1/4, 1/8, 1/16 and 1/32 of the size, rounded up: [N, 3, H, W] -> four [N, C, h, w].

        C: see CHANNELS.
        """
        x, found = F.relu6(self.bn0(self.conv_stem(x)), inplace=True), []
        for block in self.blocks:
            if block.depthwise_conv.stride[0] > 1:
                found.append(x)
            x = block(x)
        return [*found[1:], x]

    def forward(self, x: Tensor) -> Tensor:
        """ImageNet logits [N, 1000]."""
        return self.fc(self.features(x))

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Load the published state dict; strict. Its names differ from ours by leading underscores only.

        Raises RuntimeError for a missing, surplus or misshapen tensor.
        """
        self.load_state_dict({re.sub(r"(^|\.)_", r"\1", name): value for name, value in weights.items()})

    def fold(self) -> "EfficientNetLite":
        """Merge every batch norm into the convolution before it; same function, fewer passes over memory."""
        pairs: list[tuple[nn.Module, str, str]] = [(self, "conv_stem", "bn0"), (self, "conv_head", "bn1")]
        for block in self.blocks:
            pairs += [(block, "depthwise_conv", "bn1"), (block, "project_conv", "bn2")]
            pairs += [(block, "expand_conv", "bn0")] if block.expands else []
        for owner, conv, norm in pairs:
            fused = fuse_conv_bn_eval(getattr(owner, conv), getattr(owner, norm))
            setattr(owner, conv, fused.requires_grad_(False))
            setattr(owner, norm, nn.Identity())
        return self.to(memory_format=torch.channels_last)
