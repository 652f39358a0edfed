"""Parts of finite sets: which images; files sorted by class are neither cut nor split in their order."""

import numpy as np
import pytest
import torch

from gan.errors import UserError
from metrics import evaluate
from metrics.images import ArrayImages
from metrics.sampler import Sampled, Sampler, sampled
from tests.metrics.by_hand import frechet
from tests.metrics.standins import CLASSES, Standins, flat, pictures

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")


class Drawn(ArrayImages):
    """Images that a generator drew."""

    random_order = True


def by_class(n=200):
    """Images of four classes that the network tells apart, one class after the other."""
    images, labels = pictures(n, 0), np.arange(n) * CLASSES // n
    images[:, 2] = 0
    images[torch.arange(n), 2, 0, torch.from_numpy(labels)] = 255
    return images, labels.tolist()


def records(request, real, fake, **options):
    found = evaluate(real, fake, [request], **{"networks": Standins(), **options})
    return {record["label"]: record for record in found}


def test_a_sample_is_random_ascending_and_repeatable():
    chosen = Sampler().choose(30, 100)
    assert (np.diff(chosen) > 0).all() and len(chosen) == 30 and chosen.max() > 60
    assert (chosen == Sampler(0).choose(30, 100, seed=9)).all()
    assert (chosen != Sampler(1).choose(30, 100)).any()
    wanted = sorted(np.random.RandomState(13579).choice(100, 30, replace=False))
    assert Sampler().choose(30, 100, seed=13579).tolist() == wanted


def test_a_stratified_sample_keeps_the_shares():
    labels = [0] * 60 + [1] * 30 + [2] * 11
    chosen = Sampler(3, stratified=True).choose(10, 101, labels)
    assert np.bincount(np.array(labels)[chosen]).tolist() == [6, 3, 1] and len(set(chosen.tolist())) == 10
    with pytest.raises(UserError, match="leave --stratified out"):
        Sampler(stratified=True).choose(10, 101)


def test_parts_are_read_with_their_labels():
    source = ArrayImages(flat(list(range(50))), labels=list(range(50)))
    part = Sampled(source, np.array([3, 4, 5, 9, 30]))
    assert len(part) == 5 and part.labels == [3, 4, 5, 9, 30] and not part.concurrent
    assert part.read(1, 5)[:, 0, 0, 0].tolist() == [4, 5, 9, 30]
    for whole in (source, iter([flat([1])]), Drawn(flat([1, 2, 3]))):
        assert sampled(whole, 50, Sampler()) is whole and sampled(whole, None, Sampler()) is whole
    assert sampled(Drawn(flat([1, 2, 3])), 2, Sampler()).__class__ is Drawn  # any part of it is a random one


def test_labels_are_read_for_a_stratified_part_alone():
    class Unlabelled(ArrayImages):
        @property
        def labels(self):
            raise AssertionError("labels were read")

        @labels.setter
        def labels(self, value):
            pass

    part = sampled(Unlabelled(flat([1, 2, 3])), 2, Sampler())
    assert len(part) == 2
    with pytest.raises(AssertionError, match="labels were read"):
        sampled(Unlabelled(flat([1, 2, 3])), 2, Sampler(stratified=True))


def test_the_inception_score_of_sorted_classes_is_their_number():
    """Ten splits of files in the order of their classes hold one class each: they read 1."""
    images, _ = by_class()
    for fake in (images, ArrayImages(images)):
        found = records("is", images, fake, num_fakes=200)
        assert set(found) == {"is[nv-200-shuffled0]", "is/real[nv-full-shuffled0]"}
        assert all(record["value"] > 0.8 * CLASSES for record in found.values())
    drawn = records("is", images, Drawn(images), num_fakes=200)
    assert drawn["is[nv-200]"]["value"] < 2 < drawn["is/real[nv-full-shuffled0]"]["value"]
    again = records("is", images, images, num_fakes=200, sampler=Sampler(7))
    assert again["is[nv-200-shuffled7]"]["value"] != found["is[nv-200-shuffled0]"]["value"]
    assert set(records("is[tfid]", images, images, num_fakes=200)) == {"is[tfid-200]", "is/real[tfid-full]"}


def test_similarity_of_sorted_reals_is_no_collapse():
    """The first half of the files has one value: pairs of them alone would have similarity 1."""
    values = [20] * 40 + [200] * 40
    found = records("ms-ssim", flat(values), flat(values), num_fakes=40)
    assert {r["value"] < 0.99 for r in found.values()} == {True}
    assert set(found) == {"ms-ssim[40-random0]", "ms-ssim/real[40-random0]"}


def test_only_so_many_reals():
    real, fake = pictures(90, 0), pictures(33, 1, mean=112)
    (label, record), *_ = records("fid", real, fake, num_fakes=33, num_reals=60).items()
    chosen = real[Sampler().choose(60, 90)]
    x, y = (images.numpy()[:, 0, 0].astype(float) / 32 for images in (chosen, fake))
    assert label == "fid[nv-33-60-random0]" and record["convention"] == "nv-random0"
    assert (record["num_real"], record["num_fake"]) == (60, 33)
    assert record["value"] == pytest.approx(frechet(x, y, ddof=0), rel=1e-9)
    whole = records("fid", real, fake, num_fakes=33)
    for more in ({"num_reals": 90}, {"num_reals": 500}, {"sampler": Sampler(4)}):
        assert records("fid", real, fake, num_fakes=33, **more) == whole
    assert [*whole] == ["fid[nv-33-full]"]
    assert [*records("fid", real, fake, num_fakes=20)] == ["fid[nv-20-full-random0]"]


def test_classes_of_a_stratified_part():
    images, labels = by_class()
    source = ArrayImages(images, labels)
    options = {
        "num_fakes": 40,
        "num_reals": 40,
        "sampler": Sampler(2, stratified=True),
        "classes": list("abcd"),
    }
    found = records("fid-per-class", source, source, **options)
    assert all(r["num_real"] == r["num_fake"] == 10 for r in found.values() if "/" in r["metric"])
    assert "fid-per-class[inception-nv-40-40-stratified2]" in found


def test_the_tools_caps_of_reals(monkeypatch):
    """200,000 reals for precision and recall, 1,000,000 for the kernel distance, 50,000 in dgm-eval."""
    from metrics.plan import plan

    many = plan(["fid", "pr", "kid", "fd-dinov2", "pr[tfid]"], there_are=1_300_000)
    assert [item.reals for item in many] == [None, 200_000, 1_000_000, 50_000, None]
    assert [item.reals for item in plan(["pr", "kid"], there_are=200_000)] == [None, None]
    assert [item.reals for item in plan(["pr", "fid"], there_are=9_000, num_reals=600)] == [600, 600]
    assert [item.statistic(None).seed for item in many] == [0, 0, 0, 13579, 0]
    label = many[3].label("fd-dinov2", 50_000, 50_000, "random13579")
    assert label == "fd-dinov2[50k-50k-random13579]"


def test_a_part_is_cached_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path))
    real, fake = pictures(90, 0), pictures(33, 1)
    options = {"num_fakes": 33, "data_sha256": "ab"}
    parts = [{}, {"num_reals": 60}, {"num_reals": 60, "sampler": Sampler(5)}, {"num_reals": 61}]
    first = [records("fid", real, fake, **options, **part) for part in parts]
    assert len(list(tmp_path.rglob("*.safetensors"))) == 4
    assert [records("fid", real, fake, **options, **part) for part in parts] == first
    assert len({record["value"] for found in first for record in found.values()}) == 4


NEEDS = {
    "fid-infinity": "needs at least 5,015 generated images and would get 40: give more images, or leave",
    "kid[tfid]": "kid needs at least 1,000 generated images and would get 40: give more images, or leave",
    "is": "is needs at least 10 real images and would get 5: give more in --data",
}


class Unread(ArrayImages):
    """Files that nobody may open."""

    def read(self, start, stop):
        raise AssertionError("an image was read")


class Undrawn(Unread):
    """A model that draws any number."""

    random_order = True


@pytest.mark.parametrize("request_", NEEDS)
def test_too_few_is_said_before_an_image_is_read(request_):
    with pytest.raises(UserError, match=NEEDS[request_]):
        records(request_, Unread(pictures(5, 0)), Unread(pictures(40, 1)), num_fakes=40)


@pytest.mark.parametrize(
    ("request_", "options", "message"),
    [
        ("fid", {"num_fakes": 50}, "fid: there are only 40 generated images of 50: .*type --num-fakes 40"),
        ("is", {"num_fakes": 40, "num_reals": 6}, "10 real images and would get 6: type --num-reals 10"),
        ("is", {"num_fakes": 8}, "at least 10 generated images and would get 8: type --num-fakes 10 or more"),
    ],
)
def test_what_to_type_is_said(request_, options, message):
    with pytest.raises(UserError, match=message):
        records(request_, Unread(pictures(50, 0)), Unread(pictures(40, 1)), **options)


def test_a_model_can_draw_more():
    with pytest.raises(UserError, match="would get 40: type --num-fakes 5015 or more .--metrics-fakes with"):
        records("fid-infinity", Unread(pictures(50, 0)), Undrawn(pictures(40, 1)), num_fakes=40)
