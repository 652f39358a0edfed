"""Penalties: slopes of the discriminator, distance of its logits from running means, path length."""

import torch
from torch import Tensor


def r1_penalty(images: Tensor, logits: Tensor, scale: float = 1.0) -> Tensor:
    """Squared norm of the gradient of D at each image: [N].  The loss is gamma / 2 times this.

    R1 at real images, R2 at fake ones (Mescheder et al. 2018, eq. 9 and 10).

    Args:
        images: [N, C, H, W] with requires_grad, that `logits` were computed from.
        logits: [N, 1].
        scale: of the inner gradient while it is computed, so that half types hold it; the result is without.
    """
    return _slopes(images, logits, scale).square().sum(dim=(1, 2, 3))


def gradient_penalty(images: Tensor, logits: Tensor, scale: float = 1.0) -> Tensor:
    """(norm of the gradient of D at each image - 1)^2: [N] (Gulrajani et al. 2017, eq. 3).

    Arguments as for `r1_penalty`; the images are those of `between`.
    """
    return (_slopes(images, logits, scale).flatten(1).norm(dim=1) - 1).square()


def between(real: Tensor, fake: Tensor) -> Tensor:
    """A random point on the line from each real image to its fake: [N, C, H, W]."""
    return real.lerp(fake, torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype))


def lecam(real_logits: Tensor, fake_logits: Tensor, means: Tensor) -> Tensor:
    """|D(real) - mean of D(fake)|^2 + |D(fake) - mean of D(real)|^2, per pair.

    LeCam regularisation (Tseng et al. 2021, section 3).

    means: running means of the logits of reals and of fakes, [2]; see `moved_means`.
    """
    real_mean, fake_mean = means.unbind()
    return (real_logits - fake_mean).square() + (fake_logits - real_mean).square()


def moved_means(means: Tensor, real_logits: Tensor, fake_logits: Tensor, decay: float) -> Tensor:
    """Running means of the logits [2], moved towards this batch, which weighs `decay`; detached."""
    return means.lerp(torch.stack([real_logits.detach().mean(), fake_logits.detach().mean()]), decay)


def path_length(
    ws: Tensor,
    images: Tensor,
    noise: Tensor,
    mean: Tensor,
    decay: float,
    batch: Tensor | None = None,
    scale: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """How far |J_w^T y| strays from its running mean (Karras et al. 2020, eq. 4).

    y are random images of unit expected norm per pixel.

    Args:
        ws: [N, num_ws, w_dim] with a graph to `images`.
        images: [N, C, H, W].
        noise: unit normal like `images`.
        mean: scalar running mean of the lengths.
        decay: weight of this batch in the running mean.
        batch: mean length over a batch of which these are a part; None: these are the batch. With it the
            mean over parts has the gradient of the batch's penalty, not its value.
        scale: as for `r1_penalty`.

    Returns:
        (length - new mean)^2 per sample [N], the new mean (detached), the lengths [N] (detached). The
        penalty's gradient includes this batch's part of the mean.
    """
    lengths = path_lengths(ws, images, noise, scale)
    if batch is not None:
        mean = mean.lerp(batch, decay)
        penalty = (lengths - mean).square() - 2 * decay * (batch - mean) * lengths
        return penalty, mean, lengths.detach()
    mean = mean.lerp(lengths.mean(), decay)
    return (lengths - mean).square(), mean.detach(), lengths.detach()


def path_lengths(ws: Tensor, images: Tensor, noise: Tensor, scale: float = 1.0) -> Tensor:
    """|J_w^T y| per sample [N], differentiable; arguments as for `path_length`."""
    scaled = (images * (noise / (images.shape[2] * images.shape[3]) ** 0.5)).sum()
    (gradient,) = torch.autograd.grad(scaled * scale, ws, create_graph=True)
    return (gradient / scale).square().sum(dim=2).mean(dim=1).sqrt()


def _slopes(images: Tensor, logits: Tensor, scale: float) -> Tensor:
    """Gradient of each logit with respect to its image, differentiable again: [N, C, H, W]."""
    (gradient,) = torch.autograd.grad(logits.sum() * scale, images, create_graph=True)
    return gradient / scale
