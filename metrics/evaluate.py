"""Images -> features -> statistics -> records. One pass over the images feeds every metric.

Letters: N images, C channels (1 or 3), H rows, W columns, D features.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gan.errors import UserError
from metrics import cache
from metrics.extractors import EXTRACTORS
from metrics.features import KEEPS, Bank, Extractor, Moments
from metrics.registry import Spec

BATCH = 64  # images per call of an extractor, however they arrive: the same images give the same bits

Progress = Callable[[str, int], None]  # ("real" or "fake", number of images just measured)


class Statistic(NamedTuple):
    """One thing to keep of a set of images."""

    extractor: str  # name in EXTRACTORS
    head: str
    keep: str  # name in KEEPS
    limit: int | None  # only the first so many images; None is all


def evaluate(
    real: Iterable[Tensor],
    fake: Iterable[Tensor],
    metrics: Sequence[str],
    *,
    num_fakes: int | None = None,
    seed: int | None = None,
    kimg: float | None = None,
    data_sha256: str | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> list[dict]:
    """Score generated images against all real ones.

    real, fake: batches uint8 [N, C, H, W] of any size; from `fake` no more is drawn than needed.
    metrics: names in METRICS, each scored on its own default number of fakes, or all on `num_fakes`.
    seed, kimg: where the fakes come from, only recorded; None if unknown.
    data_sha256: fingerprint of the real images, by which their statistics are cached (then `real` may stay
    untouched); None digests their pixels instead and caches nothing.
    device: where the feature networks run.
    Returns one record per number with keys metric, value, convention, detector, detector_sha256, num_real,
    num_fake, seed, kimg, data_sha256.
    Raises UsageError for an unknown metric; UserError for too few images, absent weights, or images of other
    than 1 or 3 channels; TypeError for other than uint8.
    """
    specs = plan(metrics)
    device, progress = torch.device(device), progress or (lambda stage, count: None)
    extractors = {name: EXTRACTORS[name](device) for name in {spec.features: None for spec in specs.values()}}
    reals, data_sha256 = _measure_reals(real, specs, extractors, data_sha256, progress)
    fakes = _measure_fakes(fake, specs, extractors, num_fakes, progress)
    records = []
    for name, spec in specs.items():
        extractor = extractors[spec.features]
        real_store, fake_store = reals[_statistic(spec, None)], fakes[_fake_statistic(spec, num_fakes)]
        for label, value in _table()[name](real_store, fake_store).items():
            provenance = {
                "convention": f"{extractor.convention}-{spec.convention}",
                "detector": extractor.name,
                "detector_sha256": extractor.sha256,
                "num_real": real_store.count,
                "num_fake": fake_store.count,
                "seed": seed,
                "kimg": kimg,
                "data_sha256": data_sha256,
            }
            records.append({"metric": label, "value": value, **provenance})
    return records


def plan(metrics: Sequence[str]) -> dict[str, Spec]:
    """Spec of each metric, once. Raises UsageError, with the nearest name, for an unknown one."""
    known = _table()
    return {name: known[name].spec for name in metrics}


def measure(
    batches: Iterable[Tensor],
    statistics: Iterable[Statistic],
    extractors: Mapping[str, Extractor],
    progress: Callable[[int], None],
) -> dict[Statistic, Moments | Bank]:
    """Run each extractor once over uint8 batches [N, C, H, W] and keep the statistics asked for.

    Stops drawing batches once every limit is reached. `progress` gets the number of images just measured.
    """
    stores = {s: KEEPS[s.keep](extractors[s.extractor].heads[s.head]) for s in statistics}
    limits = [s.limit for s in stores]
    for images in rebatch(batches, BATCH, None if None in limits else max(limits)):
        features = {name: extractors[name](images) for name in {s.extractor: None for s in stores}}
        for s, store in stores.items():
            room = len(images) if s.limit is None else s.limit - store.count
            store.add(features[s.extractor][s.head][:room])
        progress(len(images))
    return stores


def rebatch(batches: Iterable[Tensor], size: int, limit: int | None) -> Iterator[Tensor]:
    """The same images, at most `limit`, in batches [size, C, H, W]; the last may be smaller."""
    parts: list[Tensor] = []
    waiting = taken = 0
    batches = iter(batches)
    while limit is None or taken < limit:
        images = next(batches, None)
        if images is None:
            break
        images = images if limit is None else images[: limit - taken]
        taken += len(images)
        parts.append(images)
        waiting += len(images)
        while waiting >= size:
            joined = torch.cat(parts)
            yield joined[:size]
            parts, waiting = [joined[size:]], waiting - size
    if waiting:
        yield torch.cat(parts)


def _measure_reals(
    batches: Iterable[Tensor],
    specs: Mapping[str, Spec],
    extractors: Mapping[str, Extractor],
    data_sha256: str | None,
    progress: Progress,
) -> tuple[dict[Statistic, Moments | Bank], str]:
    """Statistics of all real images, from the cache where it has them, and their fingerprint."""
    wanted = dict.fromkeys(_statistic(spec, None) for spec in specs.values())
    keys = {s: _cache_key(s, extractors[s.extractor], data_sha256) for s in wanted} if data_sha256 else {}
    kept = {s: cache.load(key) for s, key in keys.items()}
    stores = {s: KEEPS[s.keep].from_state(state) for s, state in kept.items() if state is not None}
    missing = [s for s in wanted if s not in stores]
    pixels = hashlib.sha256()
    if missing:
        batches = batches if data_sha256 else _digested(batches, pixels)
        measured = measure(batches, missing, extractors, lambda count: progress("real", count))
        if (count := measured[missing[0]].count) < 2:
            raise UserError(f"cannot score against {count} real image(s); give at least 2")
        for s in missing if data_sha256 else ():
            cache.store(keys[s], measured[s].state())
        stores |= measured
    return stores, data_sha256 or pixels.hexdigest()


def _measure_fakes(
    batches: Iterable[Tensor],
    specs: Mapping[str, Spec],
    extractors: Mapping[str, Extractor],
    num_fakes: int | None,
    progress: Progress,
) -> dict[Statistic, Moments | Bank]:
    """Statistics of the first fakes; UserError if there are fewer than asked for."""
    wanted = dict.fromkeys(_fake_statistic(spec, num_fakes) for spec in specs.values())
    if any(s.limit < 2 for s in wanted):
        raise UserError(f"cannot score {num_fakes} generated image(s); take at least 2")
    stores = measure(batches, wanted, extractors, lambda count: progress("fake", count))
    for s, store in stores.items():
        if store.count < s.limit:
            raise UserError(
                f"only {store.count:,} generated images of {s.limit:,}; ask for no more than there are"
            )
    return stores


def _statistic(spec: Spec, limit: int | None) -> Statistic:
    return Statistic(spec.features, spec.head, spec.keep, limit)


def _fake_statistic(spec: Spec, num_fakes: int | None) -> Statistic:
    return _statistic(spec, spec.fakes if num_fakes is None else num_fakes)


def _cache_key(statistic: Statistic, extractor: Extractor, data_sha256: str) -> dict[str, str]:
    return {
        "data_sha256": data_sha256,
        "detector": extractor.name,
        "detector_sha256": extractor.sha256,
        "convention": extractor.convention,
        "head": statistic.head,
        "keep": statistic.keep,
    }


def _digested(batches: Iterable[Tensor], digest: "hashlib._Hash") -> Iterator[Tensor]:
    """The batches unchanged; shape and pixels of each image go into `digest`."""
    for images in batches:
        for image in images.cpu():
            digest.update(f"{tuple(image.shape)}\n".encode())
            digest.update(image.contiguous().numpy().data)
        yield images


def _table() -> Mapping[str, Callable]:
    from metrics import METRICS  # the table lists functions of this package, so it is read late

    return METRICS
