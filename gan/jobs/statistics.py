"""Statistics of a data set as a file, by path or by name."""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from gan import distributed
from gan import precision as context
from gan.errors import UserError
from gan.files import cache_folder
from gan.jobs.scoring import DatasetImages, networks_of
from metrics import statistics
from metrics.catalogue import METRICS
from metrics.conventions import CONVENTIONS
from metrics.measure import Statistic, measure
from metrics.plan import plan
from metrics.registry import parse
from metrics.statistics import Statistics
from training.data.images import ImageDataset

NAMED = "stats:"  # before the name of statistics that --name has kept


def place_of(name: str) -> Path:
    """Where statistics of a name are kept. UserError for a name that is no file name."""
    if not name or name != Path(name).name or name.startswith("."):
        raise UserError(f"'{name}' is no name for statistics: take letters, digits, - and _")
    return cache_folder() / "statistics" / "named" / f"{name}.npz"


def statistics_at(data: Any) -> Statistics | None:
    """The statistics that `data` names; None where it is a data set. UserError for an unknown name."""
    if isinstance(data, str) and data.startswith(NAMED):
        path = place_of(data.removeprefix(NAMED))
        if not path.is_file():
            kept = sorted(p.stem for p in path.parent.glob("*.npz"))
            raise UserError(f"no statistics named {path.stem}; there are: {', '.join(kept) or 'none'}")
        return statistics.read(path)
    if isinstance(data, str | Path) and statistics.is_statistics(Path(data)):
        return statistics.read(Path(data))
    return None


def save(
    dataset: ImageDataset,
    out: Path,
    metric: str,
    *,
    convention: str = "nv",
    features: bool = False,
    weights: Sequence[str] = (),
    precision: str = "float32",
    device: str = "auto",
) -> dict[str, Any]:
    """Write what `metric` compares fakes with, of all images of a data set, to `out`; returns the provenance.

    features: also those of single images. Others as `gan.evaluate`. Raises UserError for a metric that
    compares no features, or where `out` cannot be written. Under several processes rank 0 writes.
    """
    (item,) = plan([metric], convention)
    if item.extractor is None or item.spec.scores != "pair":
        raise UserError(f"{item.name} compares no features with those of real images; take fid")
    networks = networks_of([item], weights, precision, device)
    network, head = networks[item.extractor], item.statistic(None).head
    wanted = Statistic(item.extractor, head, "bank" if features else "moments", None)
    images, built = DatasetImages(dataset), {item.extractor: network}
    with context.exact():
        store = measure(images, [wanted], built, lambda count: None, networks.device)[wanted]
    told = {
        **statistics.source_of(network, head),
        "metric": item.name if item.spec.convention else f"{item.name}[{item.convention.name}]",
        "data": str(dataset.name),
        "data_sha256": dataset.sha256,
        "num_real": len(dataset),
    }
    whole = reduce(type(store).merge, map(type(store).from_state, store.states()))  # with all rows
    if distributed.rank() == 0:
        statistics.write(out, whole, told, features=features)
    return told


def check_named(found: Statistics, metrics: Sequence[str]) -> None:
    """UserError where a file of another tool is asked for under a convention that nobody has named."""
    for text in metrics:
        request = parse(text)
        if (
            found.provenance is None
            and request.which is None
            and METRICS[request.metric].spec.convention is None
        ):
            name = "clean" if request.metric in CONVENTIONS["clean"].scores else "inception-clean"
            raise UserError(
                f"{found.path} does not say how it was made; name the convention of its features: "
                f"'{request.metric}[{name}]' if it is of clean-fid"
            )
