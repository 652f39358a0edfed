"""Images held out of training: checked to be none of its own, and what the discriminator makes of them.

Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", eq. 1: with the mean outputs
of D over training, held-out and generated images,

    r_v = (E[D_train] - E[D_held_out]) / (E[D_train] - E[D_generated])

is 0 for a discriminator to which held-out images are as good as those that it trained on, and 1 for one that
takes them for generated: it has learnt its images by heart.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gan import distributed, sampling
from gan.errors import UsageError, UserError
from gan.files import atomic_bytes, cache_folder
from gan.images import to_float
from training import parts
from training.config import ComparesSamples
from training.data.images import ImageDataset, called, form, open_together, share_fingerprint
from training.state import TrainState


class HeldOut:
    """Examines one session of a run: as many images of each kind, `count` at most, the same in every tick."""

    def __init__(self, training: ImageDataset, held_out: ImageDataset, count: int) -> None:
        self._sets, self._count = (training, held_out), min(count, len(training), len(held_out))

    @torch.no_grad()
    def examine(self, state: TrainState) -> dict[str, float | None]:
        """Mean logits of D on training, held-out and generated images, without augmentation, and r_v.

        Nothing of the state changes. Generated images are of seeds 0, 1, ..., with the training images'
        conditions, from the weights in training.
        """
        numbers = [
            [i * len(images) // self._whole(state) for i in range(self._whole(state))]
            for images in self._sets
        ]
        modes = [(network, network.training) for network in (state.generator, state.discriminator)]
        for network, _ in modes:
            network.eval()
        try:
            train, held_out = (
                self._mean(state, _pictures(images, chosen), images.conditions(chosen))
                for images, chosen in zip(self._sets, numbers, strict=True)
            )
            conditions = self._sets[0].conditions(numbers[0])
            labels = torch.from_numpy(conditions) if state.config.generator.c_dim else None
            drawn = sampling.images(state.generator, range(len(numbers[0])), labels=labels)
            fake = self._mean(state, (image for batch in drawn for image in batch), conditions)
        finally:
            for network, mode in modes:
                network.train(mode)
        means = {"train": train, "images": held_out, "fake": fake}
        return {**{f"held_out/{k}": v for k, v in means.items()}, "held_out/r_v": r_v(train, held_out, fake)}

    def _whole(self, state: TrainState) -> int:
        """How many images of each kind fill whole passes of D, or whole groups of its statistics."""
        size, network = parts.size_of(state.config, state.micro_batch), state.config.discriminator
        group = (network.mbstd_group if isinstance(network, ComparesSamples) else 1) or 1
        unit = size if self._count >= size else min(group, self._count)
        return self._count - self._count % unit

    def _mean(self, state: TrainState, images: Iterator[Tensor], conditions: object) -> float:
        """Mean logit of uint8 [C, H, W] each, in passes as large as those of a step."""
        size, total, count = parts.size_of(state.config, state.micro_batch), 0.0, 0
        c_dim = state.config.discriminator.c_dim
        c = sampling.as_conditions(torch.as_tensor(conditions), c_dim).to(state.device) if c_dim else None
        pending: list[Tensor] = []
        whole = self._whole(state)
        for image in images:
            pending.append(image.to(state.device))
            if len(pending) == min(size, whole - count):
                part = None if c is None else c[count : count + len(pending)]
                logits = state.discriminator(to_float(torch.stack(pending)), part)
                total, count, pending = total + float(logits.double().sum()), count + len(pending), []
        return total / count


def r_v(train: float, held_out: float, fake: float) -> float | None:
    """Eq. 1, from mean logits; None where D does not tell training images from generated ones."""
    if not all(map(math.isfinite, (train, held_out, fake))) or train <= fake:
        return None
    return (train - held_out) / (train - fake)


def open_held_out(path: str, training: ImageDataset) -> ImageDataset:
    """The set at `path`, with the conditions that `training` has. All processes of a job must call this.

    Raises UsageError where the two do not go together, UserError where one image is in both.
    """
    kind = "vectors" if training.vectors is not None else "none" if training.labels is None else "labels"
    opened = open_together(path, condition=kind)
    share_fingerprint(opened)
    if opened.shape != training.shape:
        raise UsageError(
            f"data.held_out {path} is {form(opened.shape)} and {training.place} {form(training.shape)}:"
            " convert one of them"
        )
    if len(opened) < 2:
        raise UsageError(f"data.held_out {path} has one image: give it more, or leave data.held_out out")
    if (opened.c_dim, opened.classes) != (training.c_dim, training.classes):
        raise UsageError(
            f"data.held_out {path} has other classes or vectors than {training.place}: make both with one"
            " gan data prepare --val"
        )
    distributed.by_first(lambda: _refuse_shared(training, opened))
    return opened


def shared(training: ImageDataset, held_out: ImageDataset) -> list[int]:
    """Numbers of the held-out images whose pixels are also those of a training image."""
    numbers = {_digest(held_out, i): i for i in reversed(range(len(held_out)))}
    ours = numbers.keys() & {_digest(training, i) for i in range(len(training))}
    return sorted(numbers[digest] for digest in ours)


def _refuse_shared(training: ImageDataset, held_out: ImageDataset) -> None:
    """UserError for an image of both sets. That there is none is remembered in the cache."""
    pair = hashlib.sha256(f"{training.sha256} {held_out.sha256}".encode()).hexdigest()
    kept = cache_folder() / "held_out" / pair
    if kept.is_file():
        return
    if found := shared(training, held_out):
        more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
        are = "are" if more else "is"
        raise UserError(
            f"{called(held_out.source, found[0])}{more} of {held_out.place} {are} in {training.place} too, "
            f"not held out: make the training set anew, with gan data prepare --against {held_out.place}"
        )
    atomic_bytes(kept, b"disjoint\n")


def _digest(dataset: ImageDataset, i: int) -> bytes:
    return hashlib.sha256(dataset.image(i).tobytes()).digest()


def _pictures(dataset: ImageDataset, numbers: Sequence[int]) -> Iterator[Tensor]:
    return (torch.from_numpy(dataset.image(i).copy()) for i in numbers)
