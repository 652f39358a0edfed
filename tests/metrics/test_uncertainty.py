"""Intervals, influences and comparisons of the metrics of the table: each of its own inputs."""

import pytest
import torch

from gan.errors import UserError
from gan.images import to_float
from metrics import METRICS, evaluate
from metrics.blockwise import BlockFrechet, BlockInception, BlockKernel, BlockVendi
from metrics.comparison import Observed, differences
from metrics.conventions import CONVENTIONS
from metrics.diversity import mean_over_pairs, ms_ssim, random_pairs
from metrics.features import Bank
from metrics.jackknife import replicates
from metrics.neighbour_blocks import authenticity_blocks, manifold_blocks
from metrics.path_length import trimmed_mean
from metrics.registry import Inputs
from metrics.sample_blocks import BlockDecibels, BlockPairs, BlockPaths
from tests.metrics.test_catalogue import Standin, Standins, pictures, score
from tests.metrics.test_equivariance import stylegan3

OWN = "metrics.of_generators."

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")


def test_the_interval_of_each_metric_is_that_of_its_own_inputs():
    """ddof of the convention; reals and fakes not exchanged; logits of fakes for fakes."""
    real, fake, network = pictures(seed=5, high=200), pictures(160, seed=1), Standin("inception")
    real[:12] = fake[0] = real[0]  # balls of radius 0, whose surface some tools leave out
    p, q = (network.features(network.prepare(x)) for x in (real, fake))
    names = ("fid", "fid[pf]", "is", "kid", "pr", "pr[stu]", "dc", "vendi", "authpct")
    found = score(*names, real=real, fake=fake, intervals=True)
    near = {k: manifold_blocks(p["fc2"], q["fc2"], k, strict=k == 5) for k in (3, 5)}
    far = manifold_blocks(p["pool"], q["pool"], 5, strict=True)
    wanted = {
        "precision[nv-160-full]": near[3]["precision"],
        "recall[nv-160-full]": near[3]["recall"],
        "precision[stu-160-full]": far["precision"],
        "recall[stu-160-full]": far["recall"],
        "density[vgg16-nv-160-full]": near[5]["density"],
        "coverage[vgg16-nv-160-full]": near[5]["coverage"],
        "vendi[inception-nv-160]": BlockVendi(q["pool"]),
        "vendi/real[inception-nv-full]": BlockVendi(p["pool"]),
        "authpct[inception-nv-160-full]": authenticity_blocks(p["pool"], q["pool"]),
        "fid[nv-160-full]": BlockFrechet(p["pool"], q["pool"], ddof=0),
        "fid[pf-160-full]": BlockFrechet(p["pool"], q["pool"], ddof=1),
        "is[nv-160-shuffled0]": BlockInception(q["logits"]),
        "is/real[nv-full-shuffled0]": BlockInception(p["logits"]),
        "kid[nv-160-full]": BlockKernel(p["pool"], q["pool"]),
    }
    for label, blockwise in wanted.items():
        want = replicates(blockwise).estimate()
        assert found[label]["corrected"] == pytest.approx(want.corrected, rel=1e-9), label
        assert found[label]["interval"] == pytest.approx([want.low, want.high], rel=1e-9)


def few(measure, images, *, pairs, seed, batch=32):
    """90 pairs instead of the thousands that a metric takes."""
    return mean_over_pairs(measure, images, pairs=90, seed=seed, batch=batch)


def test_the_interval_of_pairs_is_that_of_their_images(monkeypatch):
    """Of the reals that of the reals; the seed draws the pairs and deals the images."""
    real, fake = pictures(60, seed=5, high=200), pictures(70, seed=1)
    monkeypatch.setattr("metrics.catalogue.mean_over_pairs", few)
    networks = Standins()
    networks._built["lpips"] = lambda a, b: (a - b).square().mean((1, 2, 3))
    networks._built["lpips"].sha256 = ""
    options = {"intervals": True, "networks": networks, "num_fakes": 70, "seed": 4}
    found = score("ms-ssim", "lpips-diversity", real=real, fake=fake, **options)
    floats = [to_float(images) for images in (fake, real)]
    wanted = {
        "ms-ssim[70]": (fake, ms_ssim),
        "ms-ssim/real[60]": (real, ms_ssim),
        "lpips-diversity[70]": (floats[0], networks._built["lpips"]),
        "lpips-diversity/real[60]": (floats[1], networks._built["lpips"]),
    }
    for label, (images, measure) in wanted.items():
        pairs = random_pairs(len(images), 90, seed=4)
        values = measure(images[pairs[:, 0]], images[pairs[:, 1]])
        want = replicates(BlockPairs(pairs, values, len(images), seed=4)).estimate()
        assert found[label]["corrected"] == pytest.approx(want.corrected, rel=1e-5), label
        assert found[label]["interval"] == pytest.approx([want.low, want.high], rel=1e-5)


def test_the_intervals_of_the_generators_own_samples(monkeypatch):
    """Paths one by one, equivariance by the batches that share a transformation."""
    generator = stylegan3()
    distances = torch.rand(200, generator=torch.manual_seed(0)).double()
    errors = torch.rand(50, 2, generator=torch.manual_seed(1)).double() + 0.1
    monkeypatch.setattr(OWN + "perceptual_path_length", lambda *_, **__: trimmed_mean(distances))
    monkeypatch.setattr(OWN + "errors_of_model", lambda *_, **__: errors)
    options = {"generator": generator, "intervals": True, "networks": Standins(), "num_fakes": 200, "seed": 3}
    found = score("ppl-z-end", "eq-r", **options)
    wanted = {"ppl-z-end[200]": BlockPaths(distances, seed=3)}
    wanted["eq-r[200]"] = BlockDecibels(errors, seed=3)
    assert len(found) == 2
    for record, blockwise in zip(found.values(), wanted.values(), strict=True):
        want = replicates(blockwise).estimate()
        assert record["interval"] == [want.low, want.high]
        assert (record["corrected"], record["standard_error"]) == want[:2]
    with pytest.raises(UserError, match="eq-r with its interval needs at least 128 generated images"):
        score("eq-r", **{**options, "num_fakes": 127})
    with pytest.raises(UserError, match="ppl-z-end with its interval needs at least 32 generated images"):
        score("ppl-z-end", **{**options, "num_fakes": 31})
    with pytest.raises(UserError, match="ms-ssim with its interval needs at least 32 real images"):
        score("ms-ssim", real=pictures(31), fake=pictures(40), num_fakes=40, intervals=True)


def test_pairs_and_paths_are_compared_without_a_test(monkeypatch):
    """Both sides draw the same pairs; p needs scores to which single images contribute."""
    monkeypatch.setattr("metrics.catalogue.mean_over_pairs", few)
    sides = []
    for fake in (pictures(60, seed=1), pictures(1, seed=2).expand(60, -1, -1, -1)):
        observed, options = Observed(), {"num_fakes": 60, "networks": Standins(), "intervals": True}
        sides.append((evaluate(pictures(60), fake, ["ms-ssim"], observe=observed, **options), observed))
    (row,) = differences(*sides)
    assert row["p"] is None and row["b"] == pytest.approx(1) and row["interval"][1] < 0


@pytest.mark.parametrize(("name", "tool", "number"), [("pr", "stu", 0), ("pr", "nv", 0), ("dc", "nv", 0)])
def test_influences_have_the_balls_of_the_convention(name, tool, number):
    """Their mean is the score; balls of radius 0 and one image on their surface tell with and without it."""
    real, pool = (torch.rand(count, 4, generator=torch.manual_seed(count)) for count in (60, 50))
    real[:12] = pool[0] = real[0]
    real, fake = (Bank.from_state({"features": rows}) for rows in (real, pool))
    inputs = Inputs(convention=CONVENTIONS[tool], real=real, fake=fake)
    moved, found = METRICS[name].spec.influence(inputs), METRICS[name](inputs)
    assert moved[:, number].mean().item() == pytest.approx(list(found.values())[number])


def test_two_sets_are_compared_in_every_number_that_has_an_interval():
    """Which is better follows the direction; p is unknown where it must be."""
    names = ("fid", "is", "kid", "pr", "dc", "vendi", "authpct")
    sides = []
    for fake in (pictures(170, seed=1), pictures(170, seed=2, high=90)):
        observed, options = Observed(), {"num_fakes": 160, "networks": Standins(), "intervals": True}
        sides.append((evaluate(pictures(), fake, names, observe=observed, **options), observed))
    found = {row["metric"]: row for row in differences(*sides)}
    assert list(found) == [
        "fid",
        "is",
        "kid",
        "precision",
        "recall",
        "density",
        "coverage",
        "vendi",
        "authpct",
    ]
    assert {name for name, row in found.items() if row["p"] is None} == {"recall", "coverage"}
    for name in ("fid", "kid", "recall", "coverage"):
        row = found[name]
        sign = 1 if row["better"] == "higher" else -1
        assert sign * (row["a"] - row["b"]) > 0 and min(sign * end for end in row["interval"]) > 0, name
    assert found["fid"]["p"] == found["kid"]["p"] == 1 / 10_000
    with pytest.raises(ValueError, match="160 fakes against 150"):
        other = Observed()
        options = {"num_fakes": 150, "networks": Standins(), "intervals": True, "observe": other}
        differences(sides[0], (evaluate(pictures(), pictures(seed=3), names, **options), other))


def test_images_of_one_number_are_partners():
    """A little lighter, image by image: a difference that only partners show beyond doubt."""
    dark = pictures(160, seed=1, high=120)
    sides = []
    for fake in (dark, dark + 4):
        observed, options = Observed(), {"num_fakes": 160, "networks": Standins(), "intervals": True}
        sides.append((evaluate(pictures(), fake, ["fid"], observe=observed, **options), observed))
    (row,) = differences(*sides)
    assert row["p"] == 1 / 10_000 and row["interval"][0] > 0
    assert row["standard_error"] < sides[0][0][0]["standard_error"] / 3


def test_an_interval_needs_enough_images():
    with pytest.raises(
        UserError, match="fid with its interval needs at least 32 generated images and would get 31"
    ):
        score("fid", num_fakes=31, intervals=True)
