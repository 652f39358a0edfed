"""Images -> features -> statistics -> records. One pass over the images feeds every metric.

Letters: N images, C channels, H rows, W columns, D features.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from gan import distributed
from gan.errors import UserError
from gan.images import view
from metrics import cache
from metrics.equivariance import movable
from metrics.features import KEEPS, Extractor
from metrics.images import BATCH, Images, Source, as_images, batches
from metrics.measure import Statistic
from metrics.networks import Networks
from metrics.plan import DEFAULT, Item, plan
from metrics.records import score
from metrics.registry import Inputs
from metrics.sampler import Sampler
from metrics.sets import ImageSet, Stores, enough

# ("real", "fake" or the name of a metric of the generator, number of images just measured)
Progress = Callable[[str, int], None]
MEASURED = ("pair", "each")  # what metrics score that take features of images
REHEARSED = 32  # samples or pairs of a metric that takes batches of its own: one of them at least


def evaluate(
    real: Source,
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
    bootstrap: int = 0,
    networks: Networks | None = None,
    progress: Progress | None = None,
) -> list[dict]:
    """Score generated images against real ones, all of them unless a number is given.

    real, fake: uint8 images: an array or tensor [N, C, H, W], `Images`, or batches [n, C, H, W] of any size;
    from `fake` no more is drawn than needed.
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
    bootstrap: draws for an interval of each number whose metric allows it; 0 for none.
    networks: feature networks to use; None builds them, on the CPU, from the published weights.
    Returns one record per number with keys metric, label, value, convention, detector, detector_sha256,
    num_real, num_fake, seed, kimg, data_sha256, and error or interval where they are known. Of several
    processes (`gan.distributed`) all must call this; rank 0 gets the records, the same as a single process.
    Raises UsageError for an unknown metric; UserError for too few images, absent weights (before any image is
    drawn); TypeError for other than uint8.
    """
    real, fake = (ImageSet(as_images(source), sampler or Sampler()) for source in (real, fake))
    items = plan(metrics, convention, num_fakes, real.count, bootstrap, num_reals)
    _check_model(items, generator)
    enough(items, real.count, fake.given)
    progress = progress or (lambda stage, count: None)
    networks = ready(items, networks or Networks())
    reals, data_sha256 = _measure_reals(real, items, networks, data_sha256, progress)
    fakes = _measure_fakes(fake, items, networks, progress)
    if distributed.rank():
        return []
    records, common = [], {"seed": seed, "kimg": kimg, "data_sha256": data_sha256}
    for item in items:
        network = networks.get(item.extractor)
        inputs, alone = _inputs(item, real, fake, reals, fakes)
        shared = {"seed": seed or 0, "extractor": network, "generator": generator, "classes": classes}
        told = partial(progress, item.name)
        inputs = [replace(i, **shared, progress=told) for i in (inputs, *([alone] if alone else []))]
        records += [{**record, **common} for record in score(item, *inputs, network=network, variant=variant)]
    return records


def rehearse(
    real: Images, fake: Images, metrics: Sequence[str], *, generator: nn.Module, networks: Networks
) -> None:
    """One batch of all that `evaluate` would do on the device, in this process alone; nothing is kept.

    What runs out of memory there does so here. UserError for a generator that is not what a metric needs.
    """
    items = plan(metrics)
    _check_model(items, generator)
    names = [i.extractor for i in items if i.spec.scores in MEASURED]
    found = {name: networks[name] for name in dict.fromkeys(names)}
    waiting = {name: network.prepare(real.read(0, min(BATCH, len(real)))) for name, network in found.items()}
    pixels = fake.read(0, BATCH)
    own = {name: network.prepare(pixels) for name, network in found.items()}
    for batch in (waiting, own):
        for name, network in found.items():
            network.features(batch[name])
    drawn = {"pixels": view(pixels), "generator": generator, "count": REHEARSED}
    for item in items:
        if item.spec.scores not in MEASURED:
            network = item.extractor and networks[item.extractor]
            with contextlib.suppress(ValueError):  # too few for a number, which nobody needs
                item.function(Inputs(convention=item.convention, extractor=network, **drawn))


def _check_model(items: Sequence[Item], generator: nn.Module | None) -> None:
    """UserError if a metric of the generator itself has none, or one that it cannot move."""
    if generator is None and (whole := [i.name for i in items if i.spec.scores == "generator"]):
        raise UserError(f"{whole[0]} needs a model, not only its images")
    if (stiff := [i.name for i in items if i.spec.movable]) and not movable(generator):
        raise UserError(f"{stiff[0]} needs a model whose input can be moved, as StyleGAN3 has; leave it out")


def _inputs(
    item: Item, real: ImageSet, fake: ImageSet, reals: Stores, fakes: Stores
) -> tuple[Inputs, Inputs | None]:
    """What a metric is called with; for one that rates sets alone, also what it is for the reals."""
    rules, scores, sides = item.convention, item.spec.scores, ((fake, item.fakes), (real, item.reals))
    if scores == "generator":
        return Inputs(convention=rules, count=item.fakes), None
    if scores == "pixels":
        least = item.fakes if item.reals is None else min(item.fakes, item.reals)
        sides = ((fake, item.fakes), (real, least))
        return tuple(
            Inputs(convention=rules, pixels=side.pixels(item, limit), sample=side.told(item, limit))
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
    networks: Mapping[str, Extractor],
    data_sha256: str | None,
    progress: Progress,
) -> tuple[Stores, str | None]:
    """Statistics of the real images, from the cache where it has them, and their fingerprint."""
    wanted = dict.fromkeys(item.statistic(None) for item in items if item.spec.scores in MEASURED)
    parts = {s: real.sampler.label(s.seed) if s.limit else "" for s in wanted}
    keys = {s: _cache_key(s, networks[s.extractor], data_sha256, parts[s]) for s in wanted if data_sha256}
    kept = {s: cache.load(key) for s, key in keys.items()} if distributed.rank() == 0 else {}
    stores = {s: KEEPS[s.keep].from_state(state) for s, state in kept.items() if state is not None}
    absent = distributed.shared(torch.tensor([s not in stores for s in wanted]))
    missing = [s for s, is_absent in zip(wanted, absent.tolist(), strict=True) if is_absent]
    pixels = hashlib.sha256()
    if missing:
        real = real if data_sha256 else replace(real, source=_digested(real.source, pixels))
        measured = real.measured(missing, networks, lambda count: progress("real", count))
        if distributed.rank() == 0 and (count := measured[missing[0]].count) < 2:
            raise UserError(f"cannot score against {count} real image(s); give at least 2")
        for s in missing if data_sha256 and distributed.rank() == 0 else ():
            cache.store(keys[s], measured[s].state())
        stores |= measured
    return stores, data_sha256 or (pixels.hexdigest() if missing else None)


def _measure_fakes(
    fake: ImageSet,
    items: Sequence[Item],
    networks: Mapping[str, Extractor],
    progress: Progress,
) -> Stores:
    """Statistics of the fakes; UserError if a stream has fewer than asked for."""
    wanted = dict.fromkeys(item.statistic(item.fakes) for item in items if item.spec.scores in MEASURED)
    stores = fake.measured(wanted, networks, lambda count: progress("fake", count))
    for s, store in stores.items() if distributed.rank() == 0 else ():
        if store.count < s.limit:
            raise UserError(
                f"only {store.count:,} generated images of {s.limit:,}; ask for no more than there are"
            )
    return stores


def _cache_key(statistic: Statistic, extractor: Extractor, data_sha256: str, part: str) -> dict[str, str]:
    """part: how it was drawn, '' for all images."""
    taken = {"part": f"{statistic.limit}-{part}"} if part else {}
    return {
        **taken,
        "format": "3",  # of the stores' states: 2 has sum32; 3 other batches, so other last digits
        "data_sha256": data_sha256,
        "detector": extractor.name,
        "detector_sha256": extractor.sha256,
        "convention": extractor.convention,
        "head": statistic.head,
        "keep": statistic.keep,
    }


def _digested(source: Images | Iterable[Tensor], digest: "hashlib._Hash") -> Images | Iterable[Tensor]:
    """The same images; shape and pixels of each go into `digest`, those of a stream as it is read."""
    told = _told(batches(source, None), digest)
    if not isinstance(source, Images):
        return told
    for _ in told:
        pass
    return source


def _told(parts: Iterator[Tensor], digest: "hashlib._Hash") -> Iterator[Tensor]:
    for images in parts:
        for image in images.cpu():
            digest.update(f"{tuple(image.shape)}\n".encode())
            digest.update(image.contiguous().numpy().data)
        yield images
