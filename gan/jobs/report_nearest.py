"""Nearest training images of samples, on the page of `gan report`: what has been learnt by heart."""

from pathlib import Path
from typing import Any

from gan.config import from_dict
from gan.devices import pick
from gan.errors import UserError
from gan.jobs import copies
from gan.jobs.evaluation import loaded, opened
from gan.jobs.run_scores import unseen
from gan.jobs.scoring import DatasetImages, drawn
from gan.models import checkpoint, seen
from gan.sampling import remembered_conditions
from metrics.networks import Networks
from training.config import RunConfig

SHOWN = 12  # rows of a page


def section(run: Path, samples: int, shown: int = SHOWN) -> dict[str, Any]:
    """Of the samples of seeds 0, 1, ... the likeliest copies: `rows` of `copies.rows`, and words `about`.

    Of the best checkpoint, or the newest one, by features of the first packaged network that no discriminator
    of it saw. With held-out images, how many of these are as near is said too. UserError where there is no
    checkpoint, no data set or no such network.
    """
    best = run / "checkpoints" / "best"
    networks = Networks(pick("auto"))
    generator, saved = loaded(best if checkpoint.best(run) else run, networks.device)
    data = from_dict(RunConfig, saved.config["run"]).data
    if not data.path:
        raise UserError(f"{run} was trained on an object, not a file: its nearest images are not known")
    names = unseen(seen.of_config(saved.config) or ())
    if not names:
        raise UserError(f"{saved.path}: a discriminator saw the features of every packaged network")
    with opened(data.path) as dataset:
        if remembered_conditions(generator) is not None:
            dataset = dataset.conditioned("vectors")
        real, fake = DatasetImages(dataset), drawn(generator, dataset, range(samples))
        compared = copies.compared(real, fake, networks, names[0])
        rows = copies.rows(real, fake, compared, shown)
        apart = _apart(real, data.held_out, networks, names[0]) if data.held_out else ""
    found = compared.found
    about = (
        f"Of {samples:,} samples at {saved.kimg:g} kimg, the {min(samples, shown)} likeliest copies, each"
        f" with the training images nearest to it, by features of {names[0]}. {found.auth_pct:.1f} % of the"
        f" samples are further from their nearest training image than that one is from its own nearest"
        f" other{apart}. The number is the quotient of these distances: 0 is a copy."
    )
    return {"about": about, "rows": rows}


def _apart(real: DatasetImages, path: str, networks: Networks, name: str) -> str:
    """The same share of the held-out images, which nobody could learn by heart."""
    with opened(path) as dataset:
        share = copies.compared(real, DatasetImages(dataset), networks, name).found.auth_pct
    return f", and of the held-out images {share:.1f} %"
