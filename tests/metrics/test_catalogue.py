"""Every metric of the table, on stand-ins for the networks: what it is given, and what it says."""

import json
import math

import pytest
import torch
from torch import nn

from gan.errors import UsageError, UserError
from metrics import METRICS, evaluate, frechet_distance
from metrics.conventions import CONVENTIONS
from metrics.diversity import mean_over_pairs
from metrics.features import Moments
from metrics.images import BATCH, ArrayImages
from metrics.networks import Networks, weight_files
from metrics.plan import plan, short
from tests.metrics.test_equivariance import stylegan3

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular", "ignore:the smallest class has")
DIM = 8


class Standin:
    """Features that are means of blocks of the image; counts its calls."""

    sha256, convention, precision = "0" * 64, "4px", "float32"
    heads = dict.fromkeys(("pool", "fc2", "logits", "logits_unbiased"), DIM)

    def __init__(self, name):
        self.name, self.calls = name, 0

    def prepare(self, images):
        return [nn.functional.adaptive_avg_pool2d(images.float(), (2, 4))[:, :1]]

    def features(self, prepared):
        self.calls += 1
        x = prepared[0].flatten(1) / 61
        return {head: x * (1 if head == "pool" else 2) for head in self.heads}


class Perceptual(nn.Module):
    """Stand-in for LPIPS."""

    sha256 = "1" * 64

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, 1, 1))

    def features(self, images):
        return images.flatten(1)

    def forward(self, a, b):
        return (a - b).square().mean(dim=(1, 2, 3))


class Standins(Networks):
    def _build(self, name):
        return Perceptual() if name == "lpips" else Standin(name)


def pictures(n=170, seed=0, side=16, high=256):
    rng = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, high, (n, 3, 4, 4), generator=rng, dtype=torch.uint8)
    return blocks.repeat_interleave(side // 4, 2).repeat_interleave(side // 4, 3)


def score(*metrics, networks=None, real=None, fake=None, **options):
    real, fake = pictures() if real is None else real, pictures(160, seed=1) if fake is None else fake
    records = evaluate(real, fake, metrics, networks=networks or Standins(), **{"num_fakes": 160, **options})
    return {record["label"]: record for record in records}


def test_one_forward_for_all_that_share_a_network_and_its_pixels():
    networks = Standins()
    found = score(
        "fid", "fid[tfid]", "fid[ttur]", "kid", "is", "vendi", "authpct", "modes", networks=networks
    )
    assert networks["inception-tf1-bilinear-tf"].calls == math.ceil(170 / BATCH) + 160 // BATCH
    assert {"fid[nv-160-full]", "fid[tfid-160-full]", "is[nv-160-shuffled0]"} <= found.keys()
    assert {"is/real[nv-full-shuffled0]", "vendi[inception-nv-160]"} <= found.keys()
    assert len(networks._built) == 1
    score("fid", "fid[clean]", "pr", "pr[stu]", networks=networks)
    assert set(networks._built) == {
        "inception-tf1-bilinear-tf",
        "inception-pil-bicubic-float-tf",
        "inception-bilinear-unit",
        "vgg16",
    }


# fid-infinity needs 5,000 images; equivariance, whose tests have it, a generator of another kind.
NAMES = sorted(METRICS.keys() - {"fid-infinity", "ms-ssim", "eq-t", "eq-t-frac", "eq-r"})


@pytest.mark.parametrize("name", [*NAMES, pytest.param("ms-ssim", marks=pytest.mark.slow)])
def test_every_metric_gives_complete_finite_records(name, tiny_generator):
    real = ArrayImages(pictures(), labels=[i % 2 for i in range(170)])
    fake = ArrayImages(pictures(seed=1), labels=[i % 2 for i in range(170)])
    options = {"num_fakes": 16} if name.startswith("ppl") else {}
    found = score(name, real=real, fake=fake, generator=tiny_generator, seed=3, kimg=1.5, **options)
    assert found
    for label, record in found.items():
        keys = "metric label value convention detector detector_sha256 num_real num_fake seed kimg"
        keys += " data_sha256 device precision gan"
        assert record.keys() - {"error"} == set(keys.split())
        assert label.startswith(f"{record['metric']}[") and math.isfinite(record["value"])
        assert record["num_real"] + record["num_fake"] > 0 and (record["seed"], record["kimg"]) == (3, 1.5)
        assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_fid_is_the_distance_under_each_convention():
    real, fake, network = pictures(), pictures(160, seed=1), Standin("inception")
    moments = {}
    for who, images in (("real", real), ("fake", fake)):
        moments[who] = Moments(DIM)
        moments[who].add(network.features(network.prepare(images))["pool"])
    found = score("fid", "fid[pf]", "fid[tfid]", "fid[stu]", real=real, fake=fake)
    values = {record["convention"]: record["value"] for record in found.values()}
    p, q = moments["real"], moments["fake"]
    assert values["nv"] == pytest.approx(frechet_distance(p, q, ddof=0), rel=1e-9)
    assert values["pf"] == pytest.approx(frechet_distance(p, q, ddof=1), rel=1e-9) != values["nv"]
    assert values["tfid"] == pytest.approx(
        frechet_distance(p.with_mean32(), q.with_mean32(), ddof=1), rel=1e-9
    )
    assert len(set(values.values())) == 4 and values["stu"] == pytest.approx(values["pf"], rel=1e-4)


def test_a_set_that_is_not_taken_whole_is_not_called_full():
    found = score("lpips-diversity", num_fakes=50)
    assert found.keys() == {"lpips-diversity[50-random0]", "lpips-diversity/real[50-random0]"}
    assert found["lpips-diversity/real[50-random0]"]["num_real"] == 50


def test_inception_score_rates_both_sets():
    found = score("is", fake=pictures(160, seed=1, high=2))
    fake, real = found["is[nv-160-shuffled0]"], found["is/real[nv-full-shuffled0]"]
    assert (fake["num_fake"], fake["num_real"], real["num_fake"], real["num_real"]) == (160, 0, 0, 170)
    assert 1 <= fake["value"] < real["value"] and real["error"] > 0  # dark fakes are all alike


def test_intervals_are_added_where_a_metric_has_them():
    plain, found = score("fid", "is", "modes", "kid"), score("fid", "is", "modes", "kid", intervals=True)
    assert plain.keys() == found.keys()
    for label, record in found.items():
        assert record["value"] == pytest.approx(plain[label]["value"], rel=1e-9)
        if record["metric"].startswith("modes"):
            assert "interval" not in record
            continue
        low, high = record["interval"]
        assert low < record["corrected"] < high and record["standard_error"] > 0
    assert score("fid", intervals=True)["fid[nv-160-full]"] == found["fid[nv-160-full]"]  # seeded


def test_one_split_has_no_error():
    assert "error" not in score("is[stu]")["is[stu-160]"]
    assert score("is")["is[nv-160-shuffled0]"]["error"] > 0


def test_classes_are_scored_apart():
    real = ArrayImages(pictures(), labels=[0] * 100 + [1] * 69 + [2])
    fake = ArrayImages(pictures(160, seed=1), labels=[0] * 60 + [1] * 100)
    found = score("fid-per-class", real=real, fake=fake, classes=["cat", "dog", "emu"])
    by_name = {record["metric"]: record for record in found.values()}
    assert by_name.keys() == {"fid-per-class", "fid-per-class/cat", "fid-per-class/dog"}  # one emu is too few
    cat, dog = by_name["fid-per-class/cat"], by_name["fid-per-class/dog"]
    assert (cat["num_real"], cat["num_fake"]) == (100, 60) and (dog["num_real"], dog["num_fake"]) == (69, 100)
    assert by_name["fid-per-class"]["note"] == "1 of 3 classes left out, with fewer than 2 reals or 2 fakes"
    assert "note" not in cat
    assert by_name["fid-per-class"]["value"] == pytest.approx((cat["value"] + dog["value"]) / 2)
    with pytest.raises(UserError, match="needs the class of every image"):
        score("fid-per-class")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("fid[nvidia]", "unknown convention or detector 'nvidia'"),
        ("kid[efficientnet-lite2]", "did you mean 'efficientnet-lite"),
        ("fid[fd-dinov2]", "ask for 'fd-dinov2'"),
        ("fid[dinov2]", r"write fd\[dinov2\]"),
        ("is[clean]", r"clean computes fid, kid, not is; is\[inception-clean\] is a number of this"),
        ("dc[nv]", r"computes fid, kid, is, pr, not dc; dc\[vgg16-nv\]"),
        ("is[dinov2]", "is reads classes, which dinov2 does not give; these do: efficientnet-lite0,"),
        ("fd-untrained[nv]", "a convention of its own"),
        ("fid(nv)", "write a name, or name"),
        ("fidd", "did you mean 'fid'"),
    ],
)
def test_requests_that_cannot_be(request_, message):
    with pytest.raises(UsageError, match=message):
        plan([request_])


def test_numbers_of_fakes():
    assert [item.fakes for item in plan(["fid", "fid[stu]", "ms-ssim"], num_reals=700)] == [
        50_000,
        700,
        1_000,
    ]
    assert [item.fakes for item in plan(["fid", "ms-ssim"], num_fakes=9)] == [9, 9]
    assert (short(50_000), short(2_500), short(160)) == ("50k", "2500", "160")
    assert plan(["fid", "fid[nv]"])[0].convention is CONVENTIONS["nv"] and len(plan(["fid", "fid[nv]"])) == 1


def test_what_is_missing_is_said_before_an_image_is_read(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "urllib.request.urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("no network"))
    )

    def unread():
        raise AssertionError("an image was read")
        yield

    with pytest.raises(UserError, match=r"Fetch .*sha256 6726825d.* put it at .*--weights"):
        evaluate(unread(), unread(), ["fid"])
    with pytest.raises(UserError, match="needs a model"):
        evaluate(unread(), unread(), ["ppl-w-end"], networks=Standins())


def test_weights_go_to_the_network_they_are_for():
    both = ["inception-tf1-bilinear-tf", "vgg16"]
    assert weight_files(["a.pth"], both) == {"inception": "a.pth"}
    assert weight_files(["vgg16=b=c.pth", "a.pth"], both) == {"vgg16": "b=c.pth", "inception": "a.pth"}
    assert weight_files(["v.pth"], ["vgg16"]) == {"vgg16": "v.pth"}
    with pytest.raises(UsageError, match="--weights vgg=a.pth: unknown network 'vgg'; did you mean 'vgg16'"):
        weight_files(["vgg=a.pth"], both)
    with pytest.raises(UsageError, match="for which network"):
        weight_files(["v.pth"], ["untrained"])


def few(measure, images, *, pairs, seed, batch=32):
    """40 pairs instead of the thousands that a metric takes."""
    return mean_over_pairs(measure, images, pairs=40, seed=seed, batch=batch)


@pytest.mark.parametrize(("name", "side", "want"), [("ms-ssim", 512, 128), ("lpips-diversity", 1024, 256)])
def test_pairs_of_large_images_are_compared_reduced(name, side, want, monkeypatch):
    """In chunks of few pairs, so that memory does not grow with their number."""
    seen = []

    def compare(a, b):
        seen.append((len(a), *a.shape[2:]))
        return torch.zeros(len(a))

    networks = Standins()
    networks._built["lpips"] = compare
    compare.sha256 = ""
    monkeypatch.setattr("metrics.catalogue.mean_over_pairs", few)
    monkeypatch.setattr("metrics.catalogue.ms_ssim", compare)
    images = ArrayImages(torch.zeros(1, 3, 1, 1, dtype=torch.uint8).expand(4, 3, side, side + 2 * 4))
    found = score(name, real=images, fake=images, networks=networks, num_fakes=4)
    assert {shape[1] for shape in seen} == {want} and max(shape[0] for shape in seen) <= 32
    assert {record["num_fake"] + record["num_real"] for record in found.values()} == {4}


def test_the_samples_of_a_metric_have_the_classes_that_are_drawn_for_them(monkeypatch):
    """ppl and eq ask for one condition a sample, by the seeds of the samples; the model gets those."""
    seen = []
    generator = stylegan3(c_dim=3)
    generator.mapping.register_forward_pre_hook(lambda _, given: seen.append(given[1].argmax(1).tolist()))
    asked = []

    def conditions(seeds):
        asked.append(list(seeds))
        return [2 if seed == 7 else 0 for seed in seeds]

    options = {"generator": generator, "conditions": conditions, "seed": 5, "num_fakes": 4}
    score("ppl-w-end", **options)
    assert asked == [[5, 6, 7, 8]] and all(row == [0, 0, 2, 0, 0, 0, 0, 0] for row in seen)
    seen.clear()
    score("eq-t", **options)
    assert seen == [[0, 0, 2, 0]] and len(asked) == 2
