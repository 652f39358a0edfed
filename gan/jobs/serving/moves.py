"""Directions that clients may move images along: files that the operator names, by the names of the files.

A file belongs to one of the served models, by the digest of its generator. An image that is moved has the
pixels of `gan sample --direction` at that seed and amount.

Letters: N images, C channels, H rows, W columns.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gan.errors import UsageError, UserError, unknown
from gan.images import to_uint8
from gan.latents import z_from_seeds
from gan.latents.directions import Directions, moved, picture, start
from gan.models import direction_files
from gan.networks.base import digest
from gan.sampling import BATCH, Labels, conditions_of

MOST_AMOUNT = 20.0  # standard deviations, to either side
MOST_MOVES = 8  # of one image


class Move(NamedTuple):
    """Along one direction of a file. index: its number.  amount: standard deviations."""

    file: str
    index: int
    amount: float


class Moves:
    """The files of directions of a server.

    models: of each served model a function that reads its generator, called here where there are files.
    Raises UserError for a file that is none or belongs to no served model, UsageError for two of one name.
    """

    def __init__(self, files: Sequence[str], models: Mapping[str, Callable[[], nn.Module]]) -> None:
        self._files: dict[str, tuple[str, Directions]] = {}  # file -> model, directions
        owners = {digest(read()): name for name, read in models.items()} if files else {}
        for place in files:
            name, directions = Path(place).name, direction_files.read(place)
            if name in self._files:
                raise UsageError(f"two files of directions are named {name}: rename {place}")
            if directions.model not in owners:
                raise UserError(
                    f"{place} belongs to no served model (digest {directions.model[:12]}):"
                    " make it again with gan directions, or leave it out"
                )
            self._files[name] = owners[directions.model], directions

    def of(self, model: str) -> list[dict[str, Any]]:
        """What clients are told of the files of a model: file, space, names of the directions in order."""
        return [
            {"file": name, "space": directions.space, "names": list(directions.names)}
            for name, (owner, directions) in self._files.items()
            if owner == model
        ]

    def check(self, model: str, moves: Sequence[Move]) -> None:
        """UsageError for a file that the model has not, an index beyond it, and files of several spaces."""
        known = {name: directions for name, (owner, directions) in self._files.items() if owner == model}
        for move in moves:
            if move.file not in known:
                raise UsageError(unknown("file of directions of this model", move.file[:100], known))
            if not 0 <= move.index < len(known[move.file]):
                raise UsageError(f"{move.file} has directions 0 to {len(known[move.file]) - 1}")
        if len({known[move.file].space for move in moves}) > 1:
            raise UsageError("directions of one request lie in one space: ask for them one after the other")

    @torch.inference_mode()
    def images(
        self,
        generator: nn.Module,
        seeds: Sequence[int],
        labels: Labels | None,
        psi: float,
        moves: Sequence[Move],
    ) -> Tensor:
        """At most BATCH images that are moved along all of the moves -> uint8 [N, C, H, W] on the CPU.

        The network sees BATCH samples, the last one repeated, as in `gan.sampling.images`.
        """
        whole = [*seeds, *[seeds[-1]] * (BATCH - len(seeds))]
        c = conditions_of(generator, seeds, labels)
        if c is not None:
            c = torch.cat([c, c[-1:].expand(len(whole) - len(c), -1)])
        z = z_from_seeds(whole, generator.z_dim).to(next(generator.parameters()).device)
        directions = self._files[moves[0].file][1]
        latents = start(generator, directions, z, c, psi)
        for move in moves:
            latents = moved(latents, self._files[move.file][1], move.index, move.amount)
        shown = picture(generator, directions, latents, c, psi=psi)
        return to_uint8(shown)[: len(seeds)].cpu()
