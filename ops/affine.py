"""x W^T + b, of which each row is rounded in one way, whatever rows it is among.

A product of matrices takes its last rows by another path than the others, and few rows by another than many,
so that the same row comes out with other last bits by its place and its neighbours. An image must not: who
asks for a seed gets its bytes, whoever else asks. So where images are drawn, which is in inference mode, each
row is a product of its own, all of one shape. Training takes one product, which is faster for many rows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def drawing() -> bool:
    """Whether images are drawn: in inference mode, and not while a compiler looks on, which knows none."""
    return not torch.compiler.is_compiling() and torch.is_inference_mode_enabled()


def affine(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b: x [N, in], weight [out, in], bias [out] -> [N, out].

    In inference mode on the CPU no row depends on N, nor on its place. Compiled, and on other devices, it is
    one product: nobody has looked yet at what a GPU does with rows.
    """
    if not drawing() or x.device.type != "cpu":
        return F.linear(x, weight, bias)
    rows, weights = x[:, None], weight.T.expand(len(x), -1, -1)  # nothing is copied
    found = rows.bmm(weights) if bias is None else torch.baddbmm(bias, rows, weights)
    return found[:, 0]
