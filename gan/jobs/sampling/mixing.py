"""The style-mixing grid (Karras et al. 2019, figure 3): seeds of rows, with layers of the seeds of columns.

Letters: N images, C channels, H rows, W columns, L layers, D latent size.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan import sampling
from gan.latents import mix_layers, parse_layers
from gan.latents.abilities import require_styles


def mixed(
    generator: nn.Module,
    rows: tuple[Sequence[int], sampling.Labels | None],
    columns: tuple[Sequence[int], sampling.Labels | None],
    layers: str,
    *,
    psi: float,
    psi_cutoff: int | None,
    noise: sampling.Noise,
    noise_seed: int,
    changes: sampling.Changes,
    margins: bool,
) -> Iterator[Tensor]:
    """Batches uint8 [n, C, H, W] of the mixed images, row by row; random noise is that of the row's seed.

    rows, columns: seeds and their conditions. layers: which come from the columns, for `parse_layers`.
    margins: with the columns' own images as a first row, behind a white one, and each row's own before it.
    Raises UsageError for a model without styles and for layers that it has not.
    """
    require_styles(generator, "mixed")
    chosen = parse_layers(layers, generator.num_ws)
    ws_rows, ws_columns = (
        sampling.styles(generator, seeds, labels=labels, changes=changes, psi=psi, psi_cutoff=psi_cutoff)
        for seeds, labels in (rows, columns)
    )
    drawn: dict[str, Any] = {"noise": noise, "noise_seed": noise_seed, "changes": changes}
    if margins:
        first = sampling.rendered(generator, ws_columns, columns[0], **drawn)
        for i, batch in enumerate(first):
            yield torch.cat([torch.full_like(batch[:1], 255), batch]) if i == 0 else batch
    for row, seed in enumerate(rows[0]):
        own = ws_rows[row : row + 1]
        cells = mix_layers(own, ws_columns, chosen)
        cells = torch.cat([own, cells]) if margins else cells
        yield from sampling.rendered(generator, cells, [seed] * len(cells), **drawn)


def mixed_captions(
    rows: Sequence[str], columns: Sequence[str], seeds: tuple[Sequence[int], Sequence[int]]
) -> list[str]:
    """Text under each of the `mixed` images with margins: captions there, and both seeds under the others."""
    texts = ["", *columns]
    for caption, row in zip(rows, seeds[0], strict=True):
        texts += [caption, *(f"{row} + {column}" for column in seeds[1])]
    return texts
