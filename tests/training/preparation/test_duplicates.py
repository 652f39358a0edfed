"""Copies of pictures among look-alikes: how many are found, and how many of those are copies."""

import functools
import itertools
import time

import numpy as np
import pytest
from PIL import Image

from tests.training.preparation import scenes
from training.preparation import alignment, duplicates, hashes
from training.preparation.duplicates import Cluster, clusters, crossing


def record(path, rgb, sharpness=1.0):
    return {
        "path": path,
        "pixels": hashes.exact(rgb),
        "width": rgb.shape[1],
        "height": rgb.shape[0],
        "sharpness": sharpness,
    }


def recorded(pictures):
    """Records and thumbnails of name -> picture."""
    records = [record(name, rgb) for name, rgb in pictures.items()]
    return records, np.stack([hashes.thumbnail(rgb) for rgb in pictures.values()])


def world(seeds, photographs):
    """Name -> picture, and name -> what it shows: originals with all their copies, and look-alikes."""
    rng = np.random.default_rng(len(seeds))
    pictures, shows = {}, {}
    originals = {f"scene {seed}": scenes.scene(seed) for seed in seeds}
    originals |= {f"photograph {n}": scenes.photographs()[n] for n in photographs}
    for name, original in originals.items():
        for kind, copy in {"original": original, **scenes.copies(original, rng)}.items():
            pictures[f"{name}, {kind}"] = copy
            shows[f"{name}, {kind}"] = name
    for seed in seeds:
        for kind, other in scenes.look_alikes(seed).items():
            pictures[f"scene {seed}, {kind}"] = other
            shows[f"scene {seed}, {kind}"] = f"{seed} {kind}"
    return pictures, shows


def pairs(groups):
    """All pairs of names within the groups."""
    return {frozenset(pair) for group in groups for pair in itertools.combinations(group, 2)}


def measured(pictures, shows):
    """(recall, precision) of pairs that show the same, and the pairs missed with an original, by kind."""
    records, thumbnails = recorded(pictures)
    names = list(pictures)
    found = pairs([names[number] for number in cluster.members] for cluster in clusters(records, thumbnails))
    groups = {}
    for name, what in shows.items():
        groups.setdefault(what, []).append(name)
    true = pairs(groups.values())
    missed = sorted(name for name in names if frozenset((name, f"{shows[name]}, original")) in true - found)
    return len(found & true) / len(true), len(found & true) / len(found), missed


def test_recall_and_precision():
    recall, precision, missed = measured(*world(range(16), range(11, 19)))
    print(f"near copies: recall {recall:.4f}, precision {precision:.4f}, missed {missed}")
    assert recall >= 0.95, missed
    assert precision >= 0.98


@pytest.mark.slow
def test_recall_and_precision_of_many():
    """Photographs with backdrops out of focus among them."""
    recall, precision, missed = measured(*world(range(100, 160), range(48)))
    print(f"near copies: recall {recall:.4f}, precision {precision:.4f}, missed {len(missed)}: {missed}")
    assert recall >= 0.95, missed
    assert precision >= 0.98


@functools.cache
def one_of_each():
    return scenes.copies(scenes.scene(1), np.random.default_rng(0))


@pytest.mark.parametrize("kind", list(one_of_each()))
def test_each_kind_of_copy(kind):
    """Alone with its original, with a mirrored look-alike and another scene beside it."""
    pictures = {"a": scenes.scene(1), "b": one_of_each()[kind], "c": scenes.look_alikes(1)["other things"]}
    (found,) = clusters(*recorded(pictures | {"d": scenes.scene(2)}))
    assert set(found.members) == {0, 1}


@pytest.mark.parametrize("kind", list(scenes.look_alikes(3)))
@pytest.mark.parametrize("mirrored", [False, True])
def test_look_alikes_are_others(kind, mirrored):
    other = scenes.look_alikes(3)[kind]
    other = np.ascontiguousarray(other[:, ::-1]) if mirrored else other
    assert clusters(*recorded({"a": scenes.scene(3), "b": other})) == []


def test_one_changed_thing_makes_another_picture():
    """A coin on a scene: the hash and the correlation of the whole hardly see it."""
    original = scenes.scene(3)
    y, x = np.mgrid[:192, :256]
    away = np.hypot(y - 60, x - 130)[..., None]
    changed = np.where(away < 12, 255 - original // 2, original).astype(np.uint8)
    assert (hashes.perceptual(original) ^ hashes.perceptual(changed)).bit_count() <= duplicates.RADIUS
    assert clusters(*recorded({"a": original, "b": changed})) == []
    faint = np.where(away < 12, original * 0.9 + 15, original).astype(np.uint8)
    assert len(clusters(*recorded({"a": original, "b": faint}))) == 1


@pytest.mark.parametrize(("degrees", "is_copy"), [(8, True), (90, False), (180, False)])
def test_colours_turned_far_make_another_picture(degrees, is_copy):
    """The hue alone, around grey of the same luminance."""
    original = scenes.scene(3) // 2 + 64  # room for all hues
    y, cb, cr = np.moveaxis(np.asarray(Image.fromarray(original).convert("YCbCr"), np.float64), -1, 0)
    turned = ((cb - 128) + 1j * (cr - 128)) * np.exp(1j * np.radians(degrees))
    planes = np.stack([y, turned.real + 128, turned.imag + 128], -1).round().clip(0, 255).astype(np.uint8)
    other = np.asarray(Image.fromarray(planes, "YCbCr").convert("RGB"))
    assert bool(clusters(*recorded({"a": original, "b": other}))) == is_copy


def test_exact_copies_are_all_found_and_nothing_else():
    rng = np.random.default_rng(0)
    originals = [rng.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(50)]
    nearly = [picture.copy() for picture in originals]
    for picture in nearly:
        picture[0, 0, 0] ^= 1
    copied = [(n, f"{n:02} {k}") for n in range(50) for k in range(n % 4)]
    records = [record(f"{n:02} original", picture) for n, picture in enumerate(originals)]
    records += [record(f"{n:02} nearly", picture) for n, picture in enumerate(nearly)]
    records += [record(name, originals[n].copy()) for n, name in copied]
    found = clusters(records, None)
    wanted = {frozenset(i for i, r in enumerate(records) if r["pixels"] == o["pixels"]) for o in records[:50]}
    assert {frozenset(cluster.members) for cluster in found} == {group for group in wanted if len(group) > 1}
    assert all(not cluster.near for cluster in found)


def test_the_largest_the_sharpest_the_first_is_kept():
    small, large = np.zeros((2, 2, 3), np.uint8), np.zeros((3, 3, 3), np.uint8)
    same = {"pixels": "p"}
    order = [
        record("z", large, 1.0) | same,
        record("b", small, 9.0) | same,
        record("a", small, 2.0) | same,
        record("c", small, 2.0) | same,
    ]
    for left in range(4):
        for shuffled in itertools.permutations(order[left:]):
            found = clusters(shuffled, None)
            kept = [shuffled[cluster.kept]["path"] for cluster in found]
            assert kept == ([order[left]["path"]] if left < 3 else [])


def test_order_of_records_changes_nothing():
    pictures, _ = world(range(3), range(12, 14))
    records, thumbnails = recorded(pictures)

    def told(order):
        found = clusters([records[n] for n in order], thumbnails[order])
        paths = [records[n]["path"] for n in order]
        return [(paths[c.kept], sorted(paths[n] for n in c.members)) for c in found]

    first = told(np.arange(len(records)))
    assert len(first) == 5
    for seed in range(2):
        assert told(np.random.default_rng(seed).permutation(len(records))) == first


def test_exact_and_near_are_told_apart():
    original, small = (
        scenes.scene(4),
        scenes.copies(scenes.scene(4), np.random.default_rng(0))["resized 0.75"],
    )
    found = clusters(
        *recorded({"s": small, "b": original, "a": original, "t": small, "other": scenes.scene(5)})
    )
    assert found == [Cluster(kept=2, exact=(1,), near=(0, 3))]


def test_leaks_between_splits_and_from_another_set():
    mirrored = np.ascontiguousarray(scenes.scene(6)[:, ::-1])
    pictures = {
        "a": scenes.scene(6),
        "b": mirrored,
        "c": scenes.scene(7),
        "d": scenes.scene(7),
        "e": mirrored,
    }
    found = clusters(*recorded(pictures))
    assert len(found) == 2
    assert [set(c.members) for c in crossing(found, ["train", "val", "train", "train", "train"])] == [
        {0, 1, 4}
    ]
    assert crossing(found, ["train"] * 5) == []
    assert len(crossing(found, ["here"] * 3 + ["there"] * 2)) == 2


def test_features_confirm_or_refute():
    """They are asked for pairs that the pixels confirm, by the numbers of records, each once."""
    asked = []

    def features(numbers):
        asked.append(numbers.tolist())
        return np.stack([apart[number] for number in numbers])

    pictures = {
        "x": scenes.scene(9),
        "a": scenes.scene(8),
        "b": np.ascontiguousarray(scenes.scene(8)[:, ::-1]),
    }
    apart = {0: [1.0, 0.0], 1: [1.0, 0.0], 2: [3.0, 0.1]}
    (found,) = clusters(*recorded(pictures), features=features)
    assert set(found.members) == {1, 2}
    assert asked and all(sorted(numbers) == [1, 2] for numbers in asked)
    apart[2] = [1.0, 0.9]  # cosine 0.74
    assert len(clusters(*recorded(pictures), features=features)) == 1
    apart[2] = [1.0, 1.2]  # cosine 0.64
    assert clusters(*recorded(pictures), features=features) == []


def test_radius():
    """Beyond the radius no pair is looked at."""
    pictures = {"a": scenes.scene(1), "b": one_of_each()["cropped to 0.8"]}
    assert clusters(*recorded(pictures), radius=0) == []
    assert len(clusters(*recorded(pictures), radius=7)) == 1


def test_pictures_without_structure_are_left_alone():
    """All have one hash; only those of the same pixels are copies."""
    flat = {f"{n:03}": np.full((40, 40, 3), [n, 50, 90], np.uint8) for n in range(200)}
    assert clusters(*recorded(flat | {"again": flat["007"]})) == [Cluster(kept=7, exact=(200,), near=())]


def test_a_crowd_of_one_hash_costs_no_square(monkeypatch):
    """Slopes of light have one hash: with twice as many, twice as many pairs are laid over each other."""
    compared = []
    same = alignment.same
    monkeypatch.setattr(
        alignment, "same", lambda a, b, boxes: (compared.append(len(a)), same(a, b, boxes))[1]
    )
    for count in (100, 200):
        compared.append("|")
        rng = np.random.default_rng(0)
        ramp = np.linspace(0, 60, 32)[:, None, None] + np.zeros((32, 32, 3))
        slopes = ramp[None] + rng.uniform(0, 180, (count, 1, 1, 3)) + rng.normal(0, 0.2, (count, 32, 32, 3))
        duplicates.near_pairs(slopes.round().clip(0, 255).astype(np.uint8), np.arange(count))
    cut = len(compared) - compared[::-1].index("|") - 1
    few, many = sum(compared[1:cut]), sum(compared[cut + 1 :])
    assert 0 < few < many < 3 * few


@pytest.mark.slow
def test_twenty_thousand_within_a_minute():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (20_000, 8, 8, 3), np.uint8)
    thumbnails = coarse.repeat(4, 1).repeat(4, 2)
    thumbnails[10_000:11_000] = thumbnails[:1000, :, ::-1]
    start = time.process_time()
    found = duplicates.near_pairs(thumbnails, np.arange(len(thumbnails)))
    print(f"20,000 thumbnails: {time.process_time() - start:.1f} s")
    assert {tuple(sorted(pair)) for pair in found.tolist()} == {(n, 10_000 + n) for n in range(1000)}
    assert time.process_time() - start < 60
