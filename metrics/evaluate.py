"""Images -> features -> statistics -> records. One pass over the images feeds every metric.

Letters: N images, C channels, H rows, W columns, D features.
"""

import contextlib
import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import nn

import gan
from gan import devices, distributed, precision
from gan.errors import UserError
from gan.latents.abilities import movable
from gan.sampling import Labels
from metrics import kept
from metrics.features import Extractor
from metrics.images import BATCH, Images, Source, as_images, reduced
from metrics.measure import prepare
from metrics.networks import Networks
from metrics.networks.extractors import FLOAT32
from metrics.plan import DEFAULT, Item, plan
from metrics.records import Observe, score
from metrics.registry import Inputs
from metrics.sampler import Sampler
from metrics.sets import ImageSet, Stores, enough
from metrics.statistics import Statistics

# ("real", "fake" or the name of a metric of the generator, number of images just measured)
Progress = Callable[[str, int], None]
MEASURED = ("pair", "each")  # what metrics score that take features of images
REHEARSED = 32  # samples or pairs of a metric that takes batches of its own: one of them at least
Conditions = Callable[[Sequence[int]], Labels]  # seeds -> the condition of one sample for each
Told = Callable[[list[dict]], None]


def evaluate(
    real: Source | Statistics,
    fake: Source,
    metrics: Sequence[str],
    *,
    convention: str = DEFAULT,
    variant: str = "",
    num_fakes: int | None = None,
    num_reals: int | None = None,
    sampler: Sampler | None = None,
    seed: int | None = None,
    kimg: float | None = None,
    data_sha256: str | None = None,
    classes: Sequence[str] = (),
    generator: nn.Module | None = None,
    conditions: Conditions | None = None,
    intervals: bool = False,
    networks: Networks | None = None,
    device: torch.device | str | None = None,
    told: Told = lambda records: None,
    progress: Progress | None = None,
    observe: Observe | None = None,
) -> list[dict]:
    """Score generated images against real ones, all of them unless a number is given.

    real, fake: uint8 images: an array or tensor [N, C, H, W], `Images`, or batches [n, C, H, W] of any size;
    from `fake` no more is drawn than needed. `real` may also be `Statistics`, which are taken whole.
    metrics: names in METRICS, also as name[convention] and name[detector]; `convention` is for the others.
    variant: what else tells these fakes from the convention's, such as "psi0.7"; added to it, but not for
    metrics of the generator itself, which draw their own.
    num_fakes: for all metrics instead of each one's own number. num_reals: of the reals only so many.
    sampler: how a part of a finite set is drawn; None draws it at random, by the convention's seed. Labels
    say so; a set that is taken whole is read as it is.
    seed, kimg: where the fakes come from, recorded; None if unknown. `seed` also drives what a metric draws.
    data_sha256: fingerprint of the real images, by which their statistics are cached (then `real` may stay
    untouched); None digests their pixels instead and caches nothing.
    classes: names of the classes, for metrics by class. generator: for metrics of the generator itself.
    conditions: of what these draw, by seeds; None: each uniformly from what the generator was trained with.
    intervals: add `corrected`, `standard_error` and `interval` where a metric has them (`metrics.jackknife`);
    observe: told of each of these, in every process.
    networks: feature networks to use; None builds them from the published weights, on `device`, or else where
    the generator is, or else on a GPU if there is one. told: called with the records of each metric, once it
    is done. A metric that fails does not keep the others from being scored; its error comes at the end.
    All is computed in float32 as `gan.precision.exact` has it, whatever is set around the call.
    Returns one record per number with keys metric, label, value, convention, detector, detector_sha256,
    num_real, num_fake, seed, kimg, data_sha256, device, precision, gan (the version), and error or interval
    where they are known. Of several processes (`gan.distributed`) all must call this and share the work; rank
    0 gets the records, the same as a single process.
    Raises UsageError for an unknown metric; UserError for too few images, absent weights (before any image is
    drawn); TypeError for other than uint8.
    """
    options = {"seed": seed, "kimg": kimg, "data_sha256": data_sha256}
    given = {"generator": generator, "classes": classes}
    real, fake = (ImageSet(as_images(source), sampler or Sampler()) for source in (real, fake))
    items = _planned(metrics, convention, real, fake, generator, num_fakes, num_reals, intervals)
    networks = networks or Networks(_place(device, generator))
    with precision.exact(), distributed.dealing(), _one_voice():
        listeners = told, progress, observe
        records = _records(items, real, fake, networks, options, given, conditions, variant, *listeners)
    return [] if distributed.rank() else records


def _planned(
    metrics: Sequence[str],
    convention: str,
    real: ImageSet,
    fake: ImageSet,
    generator: nn.Module | None,
    num_fakes: int | None,
    num_reals: int | None,
    intervals: bool,
) -> list[Item]:
    """The items of a plan for these sets. Raises what `evaluate` raises before an image is drawn."""
    items = plan(metrics, convention, num_fakes, real.count, intervals, num_reals)
    if isinstance(real.source, Statistics):
        items = [item._replace(reals=None) for item in items]
    _check_model(items, generator)
    enough(items, real.count, fake.given)
    return items


def _records(
    items: Sequence[Item],
    real: ImageSet,
    fake: ImageSet,
    networks: Networks,
    common: Mapping[str, float | str | None],
    given: Mapping[str, nn.Module | Sequence[str] | None],
    conditions: Conditions | None,
    variant: str,
    told: Told,
    progress: Progress | None,
    observe: Observe | None,
) -> list[dict]:
    """`evaluate`, within its context; common: what all records say; given: what all metrics are given."""
    progress = progress or (lambda stage, count: None)
    built, seed = ready(items, networks), common["seed"] or 0
    reals, digest = _measure_reals(real, items, networks, common["data_sha256"], progress)
    fakes = _measure_fakes(fake, items, networks, progress)
    common = {**common, "data_sha256": digest, "device": named(networks.device), "gan": gan.__version__}
    records, problems = [], []
    for item in items:
        network = built.get(item.extractor)
        shared = {"seed": seed, "extractor": network, **given, "progress": partial(progress, item.name)}
        try:
            labels = _drawn(item, conditions, given["generator"], seed)
            sets = [s for s in _inputs(item, real, fake, reals, fakes, networks.device) if s]
            inputs = [replace(each, labels=labels, **shared) for each in sets]
            found = score(item, *inputs, network=network, variant=variant, observe=observe)
        except UserError as error:
            problems.append(str(error))
            continue
        records += [{**record, **common, "precision": _precision(network)} for record in found]
        if distributed.rank() == 0:
            told(records[len(records) - len(found) :])
    if problems:
        raise UserError("; ".join(problems))
    return records


def _place(device: torch.device | str | None, generator: nn.Module | None) -> torch.device:
    """Where feature networks go that nobody built."""
    if device is None and generator is not None:
        return next(generator.parameters()).device
    return device if isinstance(device, torch.device) else devices.pick(device or "auto")


def named(device: torch.device) -> str:
    """What records call a device: cpu, or the model of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _precision(network: Extractor | nn.Module | None) -> str:
    """In what generator and network compute now, the network in its own precision where it has another."""
    own = getattr(network, "precision", FLOAT32)
    return precision.in_effect() + ("" if own == FLOAT32 else f", network {own}")


@contextlib.contextmanager
def _one_voice() -> Iterator[None]:
    """The warnings of the first process alone: the others compute the same."""
    with contextlib.ExitStack() as stack:
        if distributed.rank():
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", UserWarning)
        yield


def _drawn(
    item: Item, conditions: Conditions | None, generator: nn.Module | None, seed: int
) -> Labels | None:
    """The conditions of a metric's own samples; None where they are the model's choice or it has none."""
    if item.spec.scores != "generator" or conditions is None or not generator.c_dim:
        return None
    return conditions(range(seed, seed + item.fakes))


def rehearse(
    real: Images, fake: Images, metrics: Sequence[str], *, generator: nn.Module, networks: Networks
) -> None:
    """One batch of all that `evaluate` would do on the device, in this process alone; nothing is kept.

    What runs out of memory there does so here. UserError for a generator that is not what a metric needs.
    """
    with precision.exact():
        _rehearse(real, fake, metrics, generator, networks)


def _rehearse(
    real: Images, fake: Images, metrics: Sequence[str], generator: nn.Module, networks: Networks
) -> None:
    items = plan(metrics)
    _check_model(items, generator)
    names = [i.extractor for i in items if i.spec.scores in MEASURED]
    found = {name: networks[name] for name in dict.fromkeys(names)}
    first = real.read(0, min(BATCH, len(real)))
    waiting = {name: prepare(network, first) for name, network in found.items()}
    pixels = fake.read(0, BATCH)
    own = {name: prepare(network, pixels) for name, network in found.items()}
    for batch in (waiting, own):
        for name, network in found.items():
            network.features(batch[name])
    drawn = {"generator": generator, "count": REHEARSED}
    for item in items:
        if item.spec.scores not in MEASURED:
            network = item.extractor and networks[item.extractor]
            with contextlib.suppress(ValueError):  # too few for a number, which nobody needs
                shown = reduced(pixels.to(networks.device), item.spec.side)
                item.function(Inputs(convention=item.convention, extractor=network, pixels=shown, **drawn))


def _check_model(items: Sequence[Item], generator: nn.Module | None) -> None:
    """UserError if a metric of the generator itself has none, or one that it cannot move."""
    if generator is None and (whole := [i.name for i in items if i.spec.scores == "generator"]):
        raise UserError(f"{whole[0]} needs a model, not only its images")
    if (stiff := [i.name for i in items if i.spec.movable]) and not movable(generator):
        raise UserError(f"{stiff[0]} needs a model whose input can be moved, as StyleGAN3 has; leave it out")


def _inputs(
    item: Item, real: ImageSet, fake: ImageSet, reals: Stores, fakes: Stores, device: torch.device
) -> tuple[Inputs, Inputs | None]:
    """What a metric is called with; for one that rates sets alone, also what it is for the reals."""
    rules, scores, sides = item.convention, item.spec.scores, ((fake, item.fakes), (real, item.reals))
    if scores == "generator":
        return Inputs(convention=rules, count=item.fakes), None
    if scores == "pixels":
        least = item.fakes if item.reals is None else min(item.fakes, item.reals)
        sides = ((fake, item.fakes), (real, least))
        return tuple(
            Inputs(convention=rules, pixels=side.pixels(item, limit, device), sample=side.told(item, limit))
            for side, limit in sides
        )
    stores = fakes[item.statistic(item.fakes)], reals[item.statistic(None)]
    if scores == "each":
        return tuple(
            Inputs(convention=rules, fake=store, shuffle=side.shuffle(item), sample=side.told(item, limit))
            for (side, limit), store in zip(sides, stores, strict=True)
        )
    labels = (side.labels(item, limit) if item.spec.labels else None for side, limit in sides)
    told = dict.fromkeys(side.told(item, limit) for side, limit in sides)
    inputs = Inputs(convention=rules, fake=stores[0], real=stores[1], sample="".join(told))
    fake_labels, real_labels = labels
    return replace(inputs, fake_labels=fake_labels, real_labels=real_labels), None


def ready(items: Sequence[Item], networks: Networks) -> dict[str, Extractor | nn.Module]:
    """The networks of a plan, built. UserError if the weights of one are not there."""
    names = dict.fromkeys(item.extractor for item in items if item.extractor)
    return {name: networks[name] for name in names}


def _measure_reals(
    real: ImageSet,
    items: Sequence[Item],
    networks: Networks,
    data_sha256: str | None,
    progress: Progress,
) -> tuple[Stores, str | None]:
    """Statistics of the real images, from the cache where it has them, and their fingerprint."""
    if isinstance(real.source, Statistics):
        stores = real.source.stores(items, networks)
        return {s: store.dealt().to(networks.device) for s, store in stores.items()}, real.source.sha256
    wanted = list(dict.fromkeys(item.statistic(None) for item in items if item.spec.scores in MEASURED))
    parts = {s: real.sampler.label(s.seed) if s.limit else "" for s in wanted}
    keys = {s: kept.key_of(s, networks[s.extractor], data_sha256, parts[s]) for s in wanted if data_sha256}
    found = {s: kept.load(key) for s, key in keys.items()}
    stores = {s: store.to(networks.device) for s, store in found.items() if store}
    missing = [s for s in wanted if s not in stores]
    pixels = hashlib.sha256()
    if missing:
        real = real if data_sha256 else real.digested(pixels)
        measured = real.measured(missing, networks, partial(progress, "real"))
        if (count := measured[missing[0]].count) < 2:
            raise UserError(f"cannot score against {count} real image(s); give at least 2")
        for s in missing if data_sha256 else ():
            kept.store(keys[s], measured[s])
        stores |= measured
    return stores, data_sha256 or (pixels.hexdigest() if missing else None)


def _measure_fakes(
    fake: ImageSet,
    items: Sequence[Item],
    networks: Networks,
    progress: Progress,
) -> Stores:
    """Statistics of the fakes; UserError if a stream has fewer than asked for."""
    wanted = dict.fromkeys(item.statistic(item.fakes) for item in items if item.spec.scores in MEASURED)
    stores = fake.measured(wanted, networks, partial(progress, "fake"))
    for s, store in stores.items():
        if store.count < s.limit:
            raise UserError(
                f"only {store.count:,} generated images of {s.limit:,}; ask for no more than there are"
            )
    return stores
