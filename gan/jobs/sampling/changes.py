"""From what a request says of latents and pictures to the changes that `gan.sampling` draws with."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gan import sampling
from gan.errors import UsageError
from gan.jobs.sampling.request import Look
from gan.latents import class_centers, drawn_w, find_centers, nearest_center, placement, truncate
from gan.latents.abilities import require_movable, require_noise, require_styles
from gan.latents.centers import DRAWS

CLASS_CENTER = "--truncation-center class"
OTHER_CENTERS = "take global or nearest"
CLASS_DRAWS = 1000  # of w, of which the centre of a class is the mean
Edit = Callable[[Tensor, Tensor | None], Tensor]


def changes_of(
    generator: nn.Module, look: Look, labels: sampling.Labels | None, edits: Sequence[Edit] = ()
) -> sampling.Changes:
    """What is drawn with, for a request whose samples have these labels.

    edits: further ones of ws (or z), which follow truncation in their order.
    Raises UsageError for what the model has not.
    """
    if look.moved:
        require_movable(generator)
    if look.noise_strength is not None:
        require_noise(generator)
    steps = [] if look.center == "global" else [towards_centers(generator, look, labels)]
    steps += edits

    def edit(ws: Tensor, c: Tensor | None) -> Tensor:
        for step in steps:
            ws = step(ws, c)
        return ws

    strengths = look.noise_strength
    return sampling.Changes(
        edit=edit if steps else None,
        noise_strengths=strengths[0] if strengths is not None and len(strengths) == 1 else strengths,
        transform=placement(look.translate, look.rotate) if look.moved else None,
    )


def mapping_psi(look: Look) -> dict[str, float | int | None]:
    """psi and psi_cutoff for the mapping network: none where another centre than its own is asked for."""
    own = look.center == "global"
    return {"psi": look.psi if own else 1.0, "psi_cutoff": look.psi_cutoff if own else None}


def towards_centers(generator: nn.Module, look: Look, labels: sampling.Labels | None) -> Edit:
    """Truncation towards the centre of each sample's class, or the nearest of several."""
    require_styles(generator, "truncated")
    if look.centers:
        c = sampling.chosen(generator, list(sampling.drawn_from(generator))) if generator.c_dim else None
        centers = find_centers(drawn_w(generator, max(DRAWS, look.centers), c=c), look.centers)
        return lambda ws, _: truncate(ws, nearest_center(ws, centers), look.psi, look.psi_cutoff)
    if generator.c_dim and sampling.remembered_conditions(generator) is not None:
        raise UsageError(f"{CLASS_CENTER}: this model takes vectors and has no classes; {OTHER_CENTERS}")
    if not generator.c_dim:
        raise UsageError(f"{CLASS_CENTER}: this model has no classes; {OTHER_CENTERS}")
    used = None if labels is None else sorted(set(torch.as_tensor(labels).tolist()))
    centers = class_centers(generator, CLASS_DRAWS, classes=used)
    return lambda ws, c: truncate(ws, c @ centers, look.psi, look.psi_cutoff)
