"""evaluate: records, one pass, invariances, limits and the cache, all with the untrained extractor."""

import json

import pytest
import torch

import gan
from gan.errors import UsageError, UserError
from metrics import METRICS, cache, evaluate, frechet_distance
from metrics.images import BATCH, rebatch
from metrics.measure import Statistic, measure
from metrics.networks.extractors import EXTRACTORS

NAME = "fd-untrained"
KEYS = {
    "metric",
    "label",
    "value",
    "convention",
    "detector",
    "detector_sha256",
    "num_real",
    "num_fake",
    "seed",
    "kimg",
    "device",
    "precision",
    "gan",
}


@pytest.fixture(autouse=True)
def place(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pictures(n=150, seed=0, low=0, high=256) -> torch.Tensor:
    """Random blocks of colour, uint8 [n, 3, 8, 8]."""
    rng = torch.Generator().manual_seed(seed)
    blocks = torch.randint(low, high, (n, 3, 2, 2), generator=rng, dtype=torch.uint8)
    return blocks.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)


def score(real, fake, **options) -> dict:
    (record,) = evaluate(real, fake, [NAME], **{"num_fakes": 100, **options})
    return record


def test_record_is_complete_and_json():
    record = score([pictures()], [pictures(seed=1)], seed=5, kimg=2.5, data_sha256="ab")
    assert record.keys() == KEYS | {"data_sha256"}
    assert record["convention"] == "32px-bicubic-antialias-unbiased" and record["detector"] == "untrained"
    assert (record["num_real"], record["num_fake"], record["seed"], record["kimg"]) == (150, 100, 5, 2.5)
    assert record["data_sha256"] == "ab" and len(record["detector_sha256"]) == 64
    assert record["gan"] == gan.__version__
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_value_is_the_frechet_distance_of_the_features():
    real, fake = pictures(), pictures(100, seed=1)
    extractor = EXTRACTORS["untrained"](torch.device("cpu"))
    wanted = [Statistic("untrained", "pool", "moments", None)]
    p, q = (measure([x], wanted, {"untrained": extractor}, lambda n: None)[wanted[0]] for x in (real, fake))
    assert score([real], [fake])["value"] == frechet_distance(p, q) > 0


def test_batches_change_no_bit():
    real, fake = pictures(), pictures(seed=1)
    whole = score([real], [fake])
    assert score(real.split(7), fake.split(33)) == whole


def test_order_changes_nothing_but_rounding():
    real, fake = pictures(), pictures(100, seed=1)
    turned = score([real.flip(0)], [fake.flip(0)])
    assert turned["value"] == pytest.approx(score([real], [fake])["value"], rel=1e-6)


def test_direction():
    """Equal sets score 0, another draw of the same kind little, other pictures much."""
    real = pictures()
    same, like, dark = (
        score([real], [x], num_fakes=150)["value"] for x in (real, pictures(seed=1), pictures(high=64))
    )
    assert same == pytest.approx(0, abs=1e-6)
    assert same < like < dark / 10


@pytest.mark.parametrize("channels", [2, 4, 6])
def test_scores_by_pixels_see_the_view(channels, monkeypatch):
    seen = []

    def similarity(a, b):
        seen.append(a.shape[1:])
        return torch.zeros(len(a))

    monkeypatch.setattr("metrics.catalogue.ms_ssim", similarity)
    images = torch.randint(0, 256, (10, channels, 16, 24), dtype=torch.uint8)
    evaluate(images, images, ["ms-ssim"], num_fakes=10)
    assert set(seen) == {(1 if channels == 2 else 3, 16, 24)}


def test_only_the_needed_fakes_are_drawn():
    def endless():
        for index in range(4):
            yield pictures(30, seed=index)
        raise AssertionError("a batch too many")

    assert score([pictures()], endless(), num_fakes=95)["num_fake"] == 95
    first = torch.cat([pictures(30, seed=index) for index in range(4)])[:95]
    assert score([pictures()], [first], num_fakes=95) == score([pictures()], endless(), num_fakes=95)


def test_default_number_of_fakes_and_repeated_names():
    assert METRICS[NAME].spec.fakes == METRICS["fd-efficientnet-lite0"].spec.fakes == 2000
    (record,) = evaluate([pictures()], [pictures(2001, seed=1)], [NAME, NAME])
    assert record["num_fake"] == 2000


def test_progress_counts_every_image():
    seen = {"real": 0, "fake": 0}

    def report(stage, count):
        seen[stage] += count

    score([pictures()], [pictures(seed=1)], progress=report)
    assert seen == {"real": 150, "fake": 100}


def test_mistakes_are_user_errors():
    with pytest.raises(UsageError, match="did you mean 'fd-untrained'"):
        evaluate([pictures()], [pictures()], ["fd-untrain"])
    with pytest.raises(UserError, match="only 40 generated images of 100"):
        score([pictures()], [pictures(40)])
    with pytest.raises(UserError, match="against 1 real image"):
        score([pictures(1)], [pictures()])
    with pytest.raises(UserError, match="at least 2 generated images and would get 0: type --num-fakes 2"):
        score([pictures()], [pictures()], num_fakes=0)


def test_real_statistics_are_cached(place):
    real, fake = pictures(), pictures(seed=1)
    first = score([real], [fake], data_sha256="ab")
    assert score(iter(()), [fake], data_sha256="ab") == first  # the reals are not read again
    (entry,) = place.rglob("*.safetensors")
    entry.write_bytes(entry.read_bytes()[:-8])
    assert score([real], [fake], data_sha256="ab") == first  # damaged: measured again
    with pytest.raises(UserError, match="against 0 real"):
        score(iter(()), [fake], data_sha256="cd")


def test_an_entry_of_an_earlier_version_is_passed_over():
    real, fake = pictures(), pictures(seed=1)
    extractor = EXTRACTORS["untrained"](torch.device("cpu"))
    key = {"data_sha256": "ab", "detector": "untrained", "detector_sha256": extractor.sha256}
    key |= {"convention": extractor.convention, "head": "pool", "keep": "moments"}
    cache.store(key, {"count": torch.tensor([5])})
    assert score([real], [fake], data_sha256="ab") == score([real], [fake]) | {"data_sha256": "ab"}


def test_without_a_fingerprint_pixels_identify_the_data(place):
    a, b = score([pictures()], [pictures(seed=1)]), score(pictures().split(9), [pictures(seed=1)])
    c = score([pictures(seed=2)], [pictures(seed=1)])
    assert a["data_sha256"] == b["data_sha256"] != c["data_sha256"]
    assert not place.exists()


@pytest.mark.parametrize("limit", [None, 0, 10, BATCH, 100])
def test_rebatch(limit):
    images = pictures(100)
    batches = list(rebatch(iter(images.split(7)), 16, limit))
    want = images[:limit] if limit is not None else images
    assert [len(b) for b in batches[:-1]] == [16] * (len(batches) - 1)
    assert torch.equal(torch.cat([*batches, images[:0]]), want)


def test_both_stores_in_one_pass():
    """A moments metric and a bank metric with different limits share each batch."""
    calls = []
    inner = EXTRACTORS["untrained"](torch.device("cpu"))

    class Counting:
        heads, prepare = inner.heads, inner.prepare

        def features(self, prepared):
            calls.append(sum(map(len, prepared)))
            return inner.features(prepared)

    wanted = [Statistic("untrained", "pool", "moments", 70), Statistic("untrained", "pool", "bank", 130)]
    stores = measure(pictures().split(50), wanted, {"untrained": Counting()}, lambda n: None)
    assert [stores[s].count for s in wanted] == [70, 130]
    assert calls == [BATCH, 64]  # 50 images, filled up to parts of 16
    rows = stores[wanted[1]].features[:70].double()
    torch.testing.assert_close(stores[wanted[0]].mean, rows.mean(dim=0))
