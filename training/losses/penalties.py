"""Penalties: slopes of the discriminator, distance of its logits from running means, path length.

Each is a function of tensors, and an object that makes its arguments of a `Context`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from training.losses.base import Penalty, Term, Terms
from training.schedules import Schedule, value_at

if TYPE_CHECKING:
    from training.context import Context


def r1_penalty(images: Tensor, logits: Tensor, scale: float = 1.0) -> Tensor:
    """Squared norm of the gradient of D at each image: [N].  The loss is gamma / 2 times this.

    R1 at real images, R2 at fake ones (Mescheder et al. 2018, eq. 9 and 10).

    Args:
        images: [N, C, H, W] with requires_grad, that `logits` were computed from.
        logits: [N, 1].
        scale: of the inner gradient while it is computed, so that half types hold it; the result is without.
    """
    (slope,) = slopes([images], logits, scale)
    return slope.square().sum(dim=(1, 2, 3))


def feature_penalty(features: Sequence[Tensor], logits: Tensor, scale: float = 1.0) -> Tensor:
    """The same at what D's heads see: squared norm of the gradient, summed over the scales: [N].

    features: of each scale [N, M, h, w], with requires_grad, that `logits` were computed from.
    """
    return sum(slope.square().sum(dim=(1, 2, 3)) for slope in slopes(features, logits, scale))


def gradient_penalty(images: Tensor, logits: Tensor, scale: float = 1.0) -> Tensor:
    """(norm of the gradient of D at each image - 1)^2: [N] (Gulrajani et al. 2017, eq. 3).

    Arguments as for `r1_penalty`; the images are those of `between`.
    """
    (slope,) = slopes([images], logits, scale)
    return (slope.flatten(1).norm(dim=1) - 1).square()


def slopes(images: Sequence[Tensor], logits: Tensor, scale: float = 1.0) -> list[Tensor]:
    """Gradients of the logits' sum with respect to each of `images`, differentiable again, of their shapes.

    As logits do not depend on each other's images, each row is the gradient of the logit of its image.
    scale: as for `r1_penalty`.
    """
    if scale == 1:
        return list(torch.autograd.grad(logits.sum(), images, create_graph=True))
    gradients = torch.autograd.grad(logits.sum() * scale, images, create_graph=True)
    return [gradient / scale for gradient in gradients]


def between(real: Tensor, fake: Tensor, places: Tensor) -> Tensor:
    """A point on the line from each real image to its fake: [N, C, H, W].  places: [N], 0 at the real one."""
    return real.lerp(fake, places.to(real.dtype)[:, None, None, None])


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


def path_length(lengths: Tensor, mean: Tensor, decay: float) -> tuple[Tensor, Tensor]:
    """How far the path lengths |J_w^T y| stray from their running mean (Karras et al. 2020, eq. 4).

    Args:
        lengths: of a whole batch [N], see `path_lengths`.
        mean: scalar, their running mean so far.
        decay: weight of this batch in the running mean.

    Returns:
        (length - new mean)^2 per sample [N], and the new mean, detached. The penalty's gradient includes this
        batch's part of the mean.
    """
    mean = mean.lerp(lengths.mean(), decay)
    return (lengths - mean).square(), mean.detach()


def path_lengths(ws: Tensor, images: Tensor, noise: Tensor, scale: float = 1.0) -> Tensor:
    """|J_w^T y| per sample [N], differentiable; y are random images of unit expected norm per pixel.

    Args:
        ws: [N, num_ws, w_dim] with a graph to `images`.
        images: [N, C, H, W].
        noise: unit normal like `images`.
        scale: as for `r1_penalty`.
    """
    scaled = (images * (noise / (images.shape[2] * images.shape[3]) ** 0.5)).sum()
    (gradient,) = torch.autograd.grad(scaled * scale, ws, create_graph=True)
    return (gradient / scale).square().sum(dim=2).mean(dim=1).sqrt()


class R1(Penalty):
    """gamma / 2 times the squared slope of D at reals, and with `both` at fakes too (R2).

    features: the slope is taken at D's mixed features of these images, not at their pixels.
    """

    name = "r1"

    def __init__(
        self,
        gamma: float | Schedule,
        interval: int | None = None,
        both: bool = False,
        features: bool = False,
    ):
        self.gamma, self.interval, self.fakes = gamma, interval, both
        self.slopes, self.feature_slopes = not features, features

    def terms(self, context: "Context") -> Terms:
        """r1, and r2."""
        images, logits = [context.real], [context.real_logits]
        if self.fakes:
            images, logits = [context.real, context.fake], [context.real_logits, context.fake_logits]
        weight = value_at(self.gamma, context.nimg) / 2
        if self.feature_slopes:
            squares = context.sides(feature_penalty(context.mixed, torch.cat(logits), context.scale))
            names = ("r1", "r2") if self.fakes else ("r1",)
            return {name: Term(square, weight) for name, square in zip(names, squares, strict=False)}
        squares = (s.square().sum(dim=(1, 2, 3)) for s in slopes(images, torch.cat(logits), context.scale))
        return {name: Term(square, weight) for name, square in zip(("r1", "r2"), squares, strict=False)}


class GradientPenalty(Penalty):
    """WGAN-GP, in every step. Reals and fakes on one line carry the same label."""

    name, paired = "gradient_penalty", True

    def __init__(self, weight: float):
        self.weight = weight

    def terms(self, context: "Context") -> Terms:
        """gradient_penalty, at random points between reals and fakes."""
        points = between(context.real, context.fake, context.uniform()).detach().requires_grad_()
        logits = context.judge(points, context.c)
        return {self.name: Term(gradient_penalty(points, logits, context.scale), self.weight)}


class LeCam(Penalty):
    """LeCam, in every step; remembers running means of the logits."""

    name = "lecam"

    def __init__(self, weight: float, decay: float):
        self.weight, self.decay = weight, decay

    def terms(self, context: "Context") -> Terms:
        """lecam, by the means as this batch has moved them."""
        real, fake = context.whole(context.real_logits, context.fake_logits)
        means = moved_means(context.recall("logit_means", real.new_zeros(2)), real, fake, self.decay)
        context.remember("logit_means", means)
        return {self.name: Term(lecam(context.real_logits, context.fake_logits, means), self.weight)}


class PathLength(Penalty):
    """Path length regularisation of G, on a fraction of the batch; remembers the mean length."""

    network, name = "generator", "path_length"

    def __init__(self, weight: float, interval: int, decay: float, shrink: int):
        self.weight, self.interval, self.decay, self.shrink = weight, interval, decay, shrink

    def terms(self, context: "Context") -> Terms:
        """path_length, the lengths, and the penalty on how they stray."""
        ws, images = context.ws, context.fake
        noise = context.normal(images.shape[1:])
        (lengths,) = context.whole(path_lengths(ws, images, noise, context.scale))
        mean = context.recall("path_mean", lengths.new_zeros([]))
        penalty, mean = path_length(lengths, mean, self.decay)
        context.remember("path_mean", mean)
        return {
            "path_length": Term(lengths.detach(), 0),
            "path_length_penalty": Term(penalty, self.weight),
        }
