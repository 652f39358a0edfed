"""Every name of `gan evaluate --list`, from images to the number, against the definition in NumPy.

Reals and fakes are of unlike number and spread, and every head of the stand-in network reads other pixels, so
that exchanged sets, another head, another k or another sum give another number.
"""

import math

import numpy as np
import pytest
import torch

from metrics import METRICS, evaluate
from metrics.images import ArrayImages
from tests.metrics import by_hand
from tests.metrics.standins import CLASSES, Curved, Standins, Tilted, brightness, flat, pictures

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular", "ignore:the smallest class has")
REAL, FAKE = pictures(47, 0), pictures(33, 1, mean=112, spread=33)
K2, C2 = 0.03, (0.03 * 255) ** 2


def rows(images, head="pool"):
    """What the stand-in gives, in float64 [N, D]."""
    x = images.numpy()[:, :, 0].astype(float)
    heads = {"pool": x[:, 0] / 32, "fc2": x[:, 1] / 64, "logits": x[:, 2, :CLASSES] / 16}
    return heads[head]


def score(request, real=REAL, fake=FAKE, **options):
    """metric -> record."""
    options = {"num_fakes": len(fake) if fake is not None else None, "networks": Standins(), **options}
    return {r["metric"]: r for r in evaluate(real, fake, [request], **options)}


def values(request, *sets, **options):
    """metric -> value."""
    return {name: record["value"] for name, record in score(request, *sets, **options).items()}


def near(expected, rel=1e-9):
    return pytest.approx(expected, rel=rel)


def fid():
    x, y = rows(REAL), rows(FAKE)
    assert values("fid") == {"fid": near(by_hand.frechet(x, y, ddof=0))}
    assert values("fid[pf]") == {"fid": near(by_hand.frechet(x, y))}
    assert values("fid[tfid]") == {"fid": near(by_hand.frechet(x, y, half=("real", "fake")))}
    assert values("fid[stu]") == {"fid": near(by_hand.frechet(x, y, half=("fake",)))}


def fd():
    wanted = {"fd": near(by_hand.frechet(rows(REAL), rows(FAKE)))}
    networks = Standins()
    assert values("fd", networks=networks) == values("fd[st-lpips-vgg]", networks=networks) == wanted
    assert networks.built == {"efficientnet-lite0", "st-lpips-vgg"}


def fixed(name, network, half=()):
    def case():
        networks = Standins()
        wanted = near(by_hand.frechet(rows(REAL), rows(FAKE), half=half))
        assert values(name, networks=networks) == {name: wanted} and networks.built == {network}

    return case


def fid_infinity():
    fake = pictures(5_100, 2, mean=112, spread=33)
    x, y = rows(REAL), rows(fake)
    for request, ddof in (("fid-infinity", 0), ("fid-infinity[efficientnet-lite1]", 1)):
        wanted = by_hand.frechet_infinity(x, y, seed=3, ddof=ddof)
        assert values(request, REAL, fake, seed=3) == {"fid-infinity": near(wanted, rel=1e-6)}
    assert by_hand.frechet_infinity(x, y, 3, 0) != near(by_hand.frechet_infinity(x, y, 3, 1), rel=1e-4)


def fid_per_class():
    real = np.arange(len(REAL)) % 3
    fake = np.arange(len(FAKE)) % 4 % 3  # class 0 twice as often, and no fake of class 3
    real[:2] = 3
    sets = ArrayImages(REAL, labels=real.tolist()), ArrayImages(FAKE, labels=fake.tolist())
    found = score("fid-per-class", *sets, classes=["ant", "bee", "cow", "dog"])
    wanted = [by_hand.frechet(rows(REAL)[real == c], rows(FAKE)[fake == c], ddof=0) for c in range(3)]
    got = {name: record["value"] for name, record in found.items()}
    assert got == {
        "fid-per-class": near(np.mean(wanted)),
        **{f"fid-per-class/{name}": near(v) for name, v in zip(("ant", "bee", "cow"), wanted, strict=True)},
    }
    counts = found["fid-per-class/bee"]["num_real"], found["fid-per-class/bee"]["num_fake"]
    assert counts == ((real == 1).sum(), (fake == 1).sum())
    assert found["fid-per-class"]["note"].startswith("1 of 4 classes left out")


def kid():
    x, y = rows(REAL), rows(FAKE)
    record = score("kid", seed=5)["kid"]
    mean, std = by_hand.kernel(x, y, seed=5)
    assert record["value"] == near(mean) and record["error"] == near(std / 10)
    real, fake = pictures(1_010, 3), pictures(1_030, 4, mean=112, spread=33)
    record = score("kid[tfid]", real, fake, seed=5)["kid"]
    mean, std = by_hand.kernel(rows(real), rows(fake), seed=2020)
    assert record["value"] == near(mean) and record["error"] == near(std)


def inception():
    fakes, reals = rows(FAKE, "logits"), rows(REAL, "logits")
    wanted = [by_hand.inception(z, shuffle=0) for z in (fakes, reals)]
    found = score("is")
    assert [found[name]["value"] for name in ("is", "is/real")] == near([w[0] for w in wanted])
    assert [found[name]["error"] for name in ("is", "is/real")] == near([w[1] for w in wanted])
    wanted = {n: near(by_hand.inception(z, shuffle=2020)[0]) for n, z in (("is", fakes), ("is/real", reals))}
    assert values("is[tfid]") == wanted
    biased = by_hand.inception(fakes + np.arange(CLASSES), splits=1)[0]
    assert values("is[stu]")["is"] == near(biased) and "error" not in score("is[stu]")["is"]


def pr():
    for request, head, k, strict in (
        ("pr", "fc2", 3, False),
        ("pr[vgg16-nv]", "fc2", 3, False),
        ("pr[tfid]", "fc2", 3, False),
        ("pr[stu]", "pool", 5, True),
        ("pr[st-lpips-vgg]", "pool", 3, False),
    ):
        precision, recall = by_hand.manifold(rows(REAL, head), rows(FAKE, head), k, strict)[:2]
        assert values(request) == {"precision": near(precision), "recall": near(recall)}, request
        assert precision != recall


def dc():
    for request, head in (("dc", "fc2"), ("dc[stu]", "pool"), ("dc[efficientnet-lite0]", "pool")):
        density, coverage = by_hand.manifold(rows(REAL, head), rows(FAKE, head), 5, True)[2:]
        assert values(request) == {"density": near(density), "coverage": near(coverage)}, request


def vendi():
    wanted = {"vendi": near(by_hand.vendi(rows(FAKE))), "vendi/real": near(by_hand.vendi(rows(REAL)))}
    assert values("vendi") == values("vendi[efficientnet-lite0]") == wanted


def authpct():
    x, y = rows(REAL), rows(FAKE)
    assert values("authpct") == values("authpct[untrained]") == {"authpct": near(by_hand.authentic(x, y))}
    assert by_hand.authentic(x, y) != by_hand.authentic(y, x)


def modes():
    real, fake = pictures(300, 5), pictures(200, 6)
    fake[:, 2, 0, 1] //= 4  # one class is rarer among the fakes
    count, kl = by_hand.modes(rows(real, "logits"), rows(fake, "logits"))
    assert values("modes", real, fake) == {"modes": count, "modes-kl": near(kl)} and kl > 0
    assert by_hand.modes(rows(fake, "logits"), rows(real, "logits"))[1] != near(kl)


def ms_ssim():
    """Two flat pictures of values a, b differ in luminance alone, by the exponent of the last scale."""
    c1 = (0.01 * 255) ** 2

    def pair(a, b):
        return ((2 * a * b + c1) / (a * a + b * b + c1)) ** 0.1333

    wanted = {"ms-ssim": near(pair(10, 90), rel=1e-6), "ms-ssim/real": near(pair(200, 40), rel=1e-6)}
    assert values("ms-ssim", flat([200, 40]), flat([10, 90])) == wanted


def lpips_diversity():
    wanted = {
        "lpips-diversity": near((80 / 127.5) ** 2, rel=1e-5),
        "lpips-diversity/real": near((160 / 127.5) ** 2, rel=1e-5),
    }
    assert values("lpips-diversity", flat([200, 40]), flat([10, 90])) == wanted


def path(space, full):
    """Mean squared speed of the picture along the path, from the latents of (seed, number of the pair)."""
    found = []
    for index in range(9):
        rng = np.random.RandomState([7, index])
        z0, z1 = rng.standard_normal((2, 4))
        t = rng.uniform() if full else 0.0

        def image(t, z0=z0, z1=z1):
            if space == "w":
                w = np.sinh(z0) + t * (np.sinh(z1) - np.sinh(z0))
                return w**2 / 2
            a, b = z0 / np.linalg.norm(z0), z1 / np.linalg.norm(z1)
            angle = math.acos(a @ b)
            z = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
            return np.sinh(z) ** 2 / 2

        step = 1e-6
        speed = (image(t + step) - image(t - step)) / (2 * step)
        found.append((speed**2).mean())  # every value fills a quarter of the pixels
    return np.mean(found)


def ppl(name):
    def case():
        _, space, sampling = name.split("-")
        found = values(name, REAL, None, generator=Curved(), num_fakes=9, seed=7)
        wanted = {n: path(*n) for n in (("w", False), ("w", True), ("z", False), ("z", True))}
        own = wanted.pop((space, sampling == "full"))
        assert found == {name: near(own, rel=2e-3)}
        assert all(abs(other / own - 1) > 0.02 for other in wanted.values())

    return case


def eq(name):
    def case():
        """One batch of four latents: the picture is brighter by a known number, everywhere."""
        rng = np.random.RandomState([7, 0])
        tx, ty = rng.uniform(-0.125, 0.125, 2)
        angle = rng.uniform(-math.pi, math.pi)
        tx = round(tx * 64) / 64 if name == "eq-t" else tx
        c, s = math.cos(angle), math.sin(angle)
        moved = (
            [[c, -s, 0], [s, c, 0], [0, 0, 1]] if name == "eq-r" else [[1, 0, -tx], [0, 1, -ty], [0, 0, 1]]
        )
        gap = (brightness(torch.tensor(moved)) - brightness(torch.eye(3))).item()
        found = values(name, REAL, None, generator=Tilted(), num_fakes=4, seed=7)
        assert found == {name: pytest.approx(10 * math.log10(4 / gap**2), abs=0.02)}

    return case


CASES = {
    "fid": fid,
    "fd": fd,
    "fid-infinity": fid_infinity,
    "fid-per-class": fid_per_class,
    "kid": kid,
    "is": inception,
    "pr": pr,
    "dc": dc,
    "vendi": vendi,
    "authpct": authpct,
    "modes": modes,
    "fd-dinov2": fixed("fd-dinov2", "dinov2", ("real", "fake")),
    "clip-fid": fixed("clip-fid", "clip", ("real", "fake")),
    "fd-efficientnet-lite0": fixed("fd-efficientnet-lite0", "efficientnet-lite0"),
    "fd-untrained": fixed("fd-untrained", "untrained"),
    "ms-ssim": ms_ssim,
    "lpips-diversity": lpips_diversity,
    **{name: ppl(name) for name in ("ppl-w-end", "ppl-w-full", "ppl-z-end", "ppl-z-full")},
    **{name: eq(name) for name in ("eq-t", "eq-t-frac", "eq-r")},
}


@pytest.mark.parametrize("name", METRICS)
def test_number(name):
    CASES[name]()


def test_no_case_is_without_a_metric():
    assert CASES.keys() == METRICS.keys()


def test_an_infinite_divergence_is_reported():
    """Every fake is of class 0, no real is; JSON has no infinity, so the note says it."""
    real, fake = pictures(20, 0), pictures(20, 1)
    real[:, 2, 0, 0], fake[:, 2, 0, 0] = 0, 255
    record = score("modes", real, fake)["modes-kl"]
    assert record["value"] is None and record["note"] == "infinite: 1 classes of the fakes have no real image"


def on_a_line(*places):
    """Images whose features lie on a line, at multiples of a power of two."""
    images = torch.zeros(len(places), 3, 1, 6, dtype=torch.uint8)
    images[:, :2, 0, 0] = torch.tensor(places, dtype=torch.uint8)[:, None]
    return images


def test_a_surface_is_inside_for_one_tool_and_outside_for_the_other():
    """Reals at 0 to 7; the fake at 10 is as far from 7 as its third neighbour, that at 12 as its fifth."""
    line, far = on_a_line(*range(8)), (60, 90, 120, 150, 180, 210, 240)
    for request in ("pr", "pr[tfid]", "pr[st-lpips-vgg]"):
        assert values(request, line, on_a_line(10, *far))["precision"] == 1 / 8
    assert values("pr[stu]", line, on_a_line(12, *far))["precision"] == 0
    assert values("pr[stu]", line, on_a_line(11, *far))["precision"] == 1 / 8
    for request in ("dc", "dc[stu]"):
        assert values(request, line, on_a_line(12, *far)) == {"density": 0, "coverage": 0}
        copies = values(request, REAL, REAL.flip(0))
        assert copies == {"density": near(1.0), "coverage": 1}  # each ball has k copies, not the outermost
