"""Gradient penalties: R1 (Mescheder et al. 2018, eq. 9) and path length (Karras et al. 2020, eq. 4)."""

import torch
from torch import Tensor


def r1_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """Squared norm of the gradient of D at each image: [N].  The loss is gamma / 2 times this.

    Args:
        images: [N, C, H, W] with requires_grad, that `logits` were computed from.
        logits: [N, 1].
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3))


def path_length(
    ws: Tensor, images: Tensor, noise: Tensor, mean: Tensor, decay: float
) -> tuple[Tensor, Tensor, Tensor]:
    """How far |J_w^T y| strays from its running mean, y being random images of unit expected norm per pixel.

    Args:
        ws: [N, num_ws, w_dim] with a graph to `images`.
        images: [N, C, H, W].
        noise: unit normal like `images`.
        mean: scalar running mean of the lengths.
        decay: weight of this batch in the running mean.

    Returns:
        (length - new mean)^2 per sample [N], the new mean (detached), the lengths [N] (detached). The
        penalty's gradient includes this batch's part of the mean.
    """
    scaled = (images * (noise / (images.shape[2] * images.shape[3]) ** 0.5)).sum()
    (gradient,) = torch.autograd.grad(scaled, ws, create_graph=True)
    lengths = gradient.square().sum(dim=2).mean(dim=1).sqrt()
    mean = mean.lerp(lengths.mean(), decay)
    return (lengths - mean).square(), mean.detach(), lengths.detach()
