"""A saved model -> directions of its latents in a file, and what is known of each in words."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gan import sampling
from gan.devices import pick
from gan.errors import UsageError
from gan.jobs import direction_pictures, image_scores
from gan.latents import z_from_seeds
from gan.latents.attributes import ATTRIBUTES, attributes_of
from gan.latents.directions import Directions, Method, Range, Space
from gan.latents.drawn import Drawn
from gan.latents.pca import pca
from gan.latents.sefa import SAMPLES, sefa
from gan.latents.supervised import Fit, supervised
from gan.models import checkpoint, direction_files

DEFAULTS = {"sefa": SAMPLES, "pca": 10_000, "supervised": 1000}  # method -> samples


def find(
    model: str | Path,
    method: Method,
    out: str | Path,
    *,
    count: int | None = None,
    space: Space | None = None,
    layers: Range | None = None,
    features_of: str | None = None,
    samples: int | None = None,
    scores: Sequence[str] = (),
    labels: str | Path | None = None,
    fit: Fit = "auto",
    sheet: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Directions:
    """Find directions of a run or checkpoint directory, write them to `out`, and return them.

    count: how many, None for 10; supervised finds one for each attribute. samples: how many are looked at,
    None for DEFAULTS. scores: attributes of ATTRIBUTES, or functions of images, see `image_scores.score`.
    labels: a table, see `image_scores.read_labels`, whose seeds then are the samples.
    sheet: a picture to write, one row for each direction. seed: of the samples, of drawn classes, and of the
    image of the sheet.
    The others are arguments of `sefa`, `pca` and `supervised`, whose errors are raised; also UsageError for
    options of another method, UserError where there is no model, CheckpointError where it is damaged.
    """
    _check(method, out, count, space, features_of, samples, scores, labels, fit)
    if sheet is not None:
        direction_pictures.check_sheet(sheet)
    functions = dict(image_scores.score(text) for text in scores)
    table = image_scores.read_labels(labels) if labels is not None else None
    generator = checkpoint.read(checkpoint.resolve(model)).generator(pick(device))
    drawn = Drawn(
        generator=generator,
        count=samples or DEFAULTS[method],
        seed=seed,
        conditions=_conditions(generator),
    )
    if method == "sefa":
        found = sefa(generator, count or 10, layers=layers, drawn=drawn)
    elif method == "pca":
        found = pca(generator, count or 10, space=space, features_of=features_of, layers=layers, drawn=drawn)
    else:
        z, c = drawn.all() if table is None else _of_seeds(generator, table[0], seed)
        told, others = _attributes(generator, z, c, functions, {} if table is None else table[1])
        found = supervised(
            generator, z, c, told, space=space, layers=layers, fit=fit, others=others, seed=seed
        )
    direction_files.save(found, out)
    if sheet is not None:
        direction_pictures.write_sheet(generator, found, sheet, seed)
    return found


def summary(directions: Directions) -> list[str]:
    """A line for each direction: what it explains, how well it tells its attribute, what moves with it."""
    lines = []
    for index, name in enumerate(directions.names):
        parts = [f"{index:3d}  {name}", f"1 std = {directions.scales[index]:.3g}"]
        if directions.explained is not None:
            parts.append(f"explains {directions.explained[index]:.1%}")
        if directions.findings:
            parts += _finding(name, directions.findings[index])
        lines.append("  ".join(parts))
    return lines


def as_record(directions: Directions) -> dict:
    """What `--json` prints: everything but the vectors."""
    explained = None if directions.explained is None else directions.explained.tolist()
    return {
        "method": directions.method,
        "space": directions.space,
        "model": directions.model,
        "names": list(directions.names),
        "scales": directions.scales.tolist(),
        "explained": explained,
        "layers": [list(layers) for layers in directions.layers],
        "findings": list(directions.findings),
        "about": directions.about,
    }


def _check(method, out, count, space, features_of, samples, scores, labels, fit) -> None:
    """UsageError for an option that this method does not read, or that another one replaces."""
    if Path(out).suffix != direction_files.SUFFIX:
        raise UsageError(f"--out {out}: directions are written as {direction_files.SUFFIX}")
    only = {
        "--count": (count, ("sefa", "pca")),
        "--space": (space, ("pca", "supervised")),
        "--features": (features_of, ("pca",)),
        "--score": (scores, ("supervised",)),
        "--labels": (labels, ("supervised",)),
        "--fit": (None if fit == "auto" else fit, ("supervised",)),
    }
    for option, (value, methods) in only.items():
        if value and method not in methods:
            raise UsageError(f"{option} is for {' and '.join(methods)}, not for {method}; leave it out")
    if method == "supervised" and not scores and not labels:
        raise UsageError(
            f"supervised needs --labels FILE.csv, or --score: {', '.join(ATTRIBUTES)}, or module:function"
        )
    if labels and samples:
        raise UsageError("--samples: the seeds of --labels are the samples; leave one of them out")


def _attributes(
    generator: nn.Module,
    z: Tensor,
    c: Tensor | None,
    functions: dict[str, image_scores.Score],
    labels: dict[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Attributes to find directions of, and those only compared with: all that pixels tell."""
    if twice := sorted(functions.keys() & labels.keys()):
        raise UsageError(f"the table has a label {twice[0]}, as a --score is called: rename one of them")
    more = [name for name in attributes_of(generator.channels) if name not in functions | labels]
    values = image_scores.measured(generator, z, c, functions | {name: ATTRIBUTES[name] for name in more})
    others = {name: values[name] for name in more if values[name].min() < values[name].max()}
    return labels | {name: values[name] for name in functions}, others


def _conditions(generator: nn.Module) -> Tensor | None:
    """Those that samples get, [M, c_dim]: what the model was trained with."""
    return sampling.chosen(generator, sampling.drawn_from(generator)) if generator.c_dim else None


def _of_seeds(generator: nn.Module, seeds: Sequence[int], seed: int) -> tuple[Tensor, Tensor | None]:
    """z and c of these seeds, as `gan sample --seed` draws them, on the generator's device."""
    like = next(generator.parameters())
    z = z_from_seeds(seeds, generator.z_dim).to(like.device)
    if not generator.c_dim:
        return z, None
    c = sampling.chosen(generator, sampling.drawn_numbers(generator, seeds, seed))
    return z, c.to(like.device, torch.float32)


def _finding(name: str, finding: dict) -> list[str]:
    parts = [f"{finding['fit']}: {finding['accuracy']:.1%} right of those held back"]
    parts.append(f"({finding['majority']:.1%} by always saying the same)")
    if "r2" in finding:
        parts.append(f"R2 {finding['r2']:.2f}")
    others = {k: r for k, r in finding["correlations"].items() if k != name and r is not None}
    near = sorted(others.items(), key=lambda item: -abs(item[1]))[:3]
    if near:
        parts.append("moves with " + ", ".join(f"{other} {r:+.2f}" for other, r in near))
    return parts
