"""The Inception network of 2015-12-05, on whose features FID, KID and the Inception Score are defined.

Inception v3 (Szegedy et al. 2016, table 1) with 1008 outputs, as its published graph computes it: average
pools inside the blocks leave padding out of the count, and the last block has a max pool where the one before
it has an average. Parameter names are torchvision's, so the published state dict loads by name. torchvision's
own weights are another network (1000 outputs) whose scores are not comparable.

Letters: N images, C channels, H rows, W columns.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

SIZE = 299  # pixels of a side
CLASSES = 1008
HEADS = {"64": 64, "192": 192, "768": 768, "pool": 2048, "logits": CLASSES, "logits_unbiased": CLASSES}


class ConvNorm(nn.Module):
    """Convolution without bias and batch norm (eps 1e-3). `fold` makes one convolution with bias of both."""

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1, pad=0):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, pad, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def linear(self, x: Tensor) -> Tensor:
        """Everything before the activation: [N, inputs, H, W] -> [N, outputs, H', W']."""
        return self.bn(self.conv(x))

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H', W'], not negative."""
        return self.linear(x).relu_()

    def fold(self) -> None:
        """Merge the batch norm into the convolution; same function, one pass over memory less."""
        self.conv, self.bn = fuse_conv_bn_eval(self.conv, self.bn), nn.Identity()


class AveragePoolBranch(ConvNorm):
    """Average pool 3x3 (padding not counted), then 1x1 convolution, norm and ReLU.

    The pool comes after the convolution here: both are linear, and a mean of equal biases is that bias, so
    the result is the same while the pool works on fewer channels.
    """

    def linear(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H, W]."""
        return F.avg_pool2d(super().linear(x), 3, 1, 1, count_include_pad=False)


class MaxPoolBranch(ConvNorm):
    """Max pool 3x3, then 1x1 convolution, norm and ReLU."""

    def linear(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] -> [N, outputs, H, W]."""
        return super().linear(F.max_pool2d(x, 3, 1, 1))


def joined(parts: list[Tensor]) -> Tensor:
    """ReLU of the parts [N, C_i, H, W], side by side: [N, sum of C_i, H, W].

    Each ReLU writes to its place in the result, so that joining costs no pass of its own.
    """
    channels = [part.shape[1] for part in parts]
    n, _, height, width = parts[0].shape
    whole = parts[0].new_empty(n, height, width, sum(channels)).permute(0, 3, 1, 2)  # channels last
    for part, place in zip(parts, whole.split(channels, dim=1), strict=True):
        torch.clamp_min(part, 0, out=place)
    return whole


class BlockA(nn.Module):
    """35x35 grid: 1x1, 5x5, two 3x3, pool (Szegedy et al. 2016, fig. 5)."""

    def __init__(self, inputs: int, pool: int):
        super().__init__()
        self.branch1x1 = ConvNorm(inputs, 64, 1)
        self.branch5x5_1 = ConvNorm(inputs, 48, 1)
        self.branch5x5_2 = ConvNorm(48, 64, 5, pad=2)
        self.branch3x3dbl_1 = ConvNorm(inputs, 64, 1)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3, pad=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3, pad=1)
        self.branch_pool = AveragePoolBranch(inputs, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, 35, 35] -> [N, 224 + pool, 35, 35]."""
        five = self.branch5x5_2.linear(self.branch5x5_1(x))
        double = self.branch3x3dbl_3.linear(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return joined([self.branch1x1.linear(x), five, double, self.branch_pool.linear(x)])


class BlockB(nn.Module):
    """35x35 -> 17x17: a strided 3x3, two 3x3 of which the last is strided, max pool (fig. 10)."""

    def __init__(self, inputs: int):
        super().__init__()
        self.branch3x3 = ConvNorm(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1 = ConvNorm(inputs, 64, 1)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3, pad=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, 35, 35] -> [N, 480 + inputs, 17, 17]."""
        double = self.branch3x3dbl_3.linear(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return joined([self.branch3x3.linear(x), double, F.max_pool2d(x, 3, 2)])


class BlockC(nn.Module):
    """17x17 grid: 1x1, 7x7 as 1x7 and 7x1, twice that, pool (fig. 6)."""

    def __init__(self, inputs: int, inner: int):
        super().__init__()
        across, down = {"kernel": (1, 7), "pad": (0, 3)}, {"kernel": (7, 1), "pad": (3, 0)}
        self.branch1x1 = ConvNorm(inputs, 192, 1)
        self.branch7x7_1 = ConvNorm(inputs, inner, 1)
        self.branch7x7_2 = ConvNorm(inner, inner, **across)
        self.branch7x7_3 = ConvNorm(inner, 192, **down)
        self.branch7x7dbl_1 = ConvNorm(inputs, inner, 1)
        self.branch7x7dbl_2 = ConvNorm(inner, inner, **down)
        self.branch7x7dbl_3 = ConvNorm(inner, inner, **across)
        self.branch7x7dbl_4 = ConvNorm(inner, inner, **down)
        self.branch7x7dbl_5 = ConvNorm(inner, 192, **across)
        self.branch_pool = AveragePoolBranch(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, 17, 17] -> [N, 768, 17, 17]."""
        seven = self.branch7x7_3.linear(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5.linear(self.branch7x7dbl_4(double))
        return joined([self.branch1x1.linear(x), seven, double, self.branch_pool.linear(x)])


class BlockD(nn.Module):
    """17x17 -> 8x8: a strided 3x3, a 7x7 and a strided 3x3, max pool."""

    def __init__(self, inputs: int):
        super().__init__()
        self.branch3x3_1 = ConvNorm(inputs, 192, 1)
        self.branch3x3_2 = ConvNorm(192, 320, 3, stride=2)
        self.branch7x7x3_1 = ConvNorm(inputs, 192, 1)
        self.branch7x7x3_2 = ConvNorm(192, 192, (1, 7), pad=(0, 3))
        self.branch7x7x3_3 = ConvNorm(192, 192, (7, 1), pad=(3, 0))
        self.branch7x7x3_4 = ConvNorm(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, 17, 17] -> [N, 512 + inputs, 8, 8]."""
        three = self.branch3x3_2.linear(self.branch3x3_1(x))
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        return joined([three, self.branch7x7x3_4.linear(seven), F.max_pool2d(x, 3, 2)])


class BlockE(nn.Module):
    """8x8 grid: 1x1, 3x3 and two 3x3 that each end in 1x3 beside 3x1, pool (fig. 7)."""

    def __init__(self, inputs: int, pool: type[ConvNorm]):
        super().__init__()
        across, down = {"kernel": (1, 3), "pad": (0, 1)}, {"kernel": (3, 1), "pad": (1, 0)}
        self.branch1x1 = ConvNorm(inputs, 320, 1)
        self.branch3x3_1 = ConvNorm(inputs, 384, 1)
        self.branch3x3_2a = ConvNorm(384, 384, **across)
        self.branch3x3_2b = ConvNorm(384, 384, **down)
        self.branch3x3dbl_1 = ConvNorm(inputs, 448, 1)
        self.branch3x3dbl_2 = ConvNorm(448, 384, 3, pad=1)
        self.branch3x3dbl_3a = ConvNorm(384, 384, **across)
        self.branch3x3dbl_3b = ConvNorm(384, 384, **down)
        self.branch_pool = pool(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, 8, 8] -> [N, 2048, 8, 8]."""
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = [(self.branch1x1, x), (self.branch3x3_2a, three), (self.branch3x3_2b, three)]
        branches += [(self.branch3x3dbl_3a, double), (self.branch3x3dbl_3b, double), (self.branch_pool, x)]
        return joined([branch.linear(inputs) for branch, inputs in branches])


class Inception(nn.Module):
    """Frozen network for inference (in-place activations). Input: [N, 3, 299, 299], about -1..1."""

    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3, pad=1)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = BlockA(192, 32), BlockA(256, 64), BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b, self.Mixed_6c = BlockC(768, 128), BlockC(768, 160)
        self.Mixed_6d, self.Mixed_6e = BlockC(768, 160), BlockC(768, 192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b, self.Mixed_7c = BlockE(1280, AveragePoolBranch), BlockE(2048, MaxPoolBranch)
        self.fc = nn.Linear(2048, CLASSES)
        self.eval().requires_grad_(False)

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> "Inception":
        """The network with a published state dict; its tensors are used, not copied.

        Raises RuntimeError for a missing, surplus or misshapen tensor.
        """
        with torch.device("meta"):
            net = cls()
        net.load_state_dict(weights, assign=True)
        return net.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """[N, 3, 299, 299] -> the heads of HEADS, each float32 [N, D].

        64, 192, 768, pool: means over positions after the first and second max pool, of the last 17x17 grid,
        of the last 8x8 grid. logits: of the classes; logits_unbiased: without the layer's bias.
        """
        x = self.Conv2d_2b_3x3.linear(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = first = F.max_pool2d(x, 3, 2).relu_()  # [N, 64, 73, 73]; ReLU and maximum commute
        x = self.Conv2d_4a_3x3.linear(self.Conv2d_3b_1x1(x))
        x = second = F.max_pool2d(x, 3, 2).relu_()  # [N, 192, 35, 35]
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = third = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))  # [N, 768, 17, 17]
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # [N, 2048, 8, 8]
        grids = {"64": first, "192": second, "768": third, "pool": x}
        heads = {name: grid.mean(dim=(2, 3), dtype=torch.float32) for name, grid in grids.items()}
        with torch.autocast(x.device.type, enabled=False):  # logits are float32 also under autocast
            unbiased = F.linear(heads["pool"], self.fc.weight)
        return heads | {"logits": unbiased + self.fc.bias, "logits_unbiased": unbiased}

    def fold(self) -> "Inception":
        """Merge batch norms into convolutions and lay weights out channels last; same function, faster."""
        for module in list(self.modules()):
            if isinstance(module, ConvNorm):
                module.fold()
        return self.requires_grad_(False).to(memory_format=torch.channels_last)
