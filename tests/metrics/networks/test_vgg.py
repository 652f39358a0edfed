"""VGG16: where its taps are, what fits, without the published weights."""

import pytest
import torch
import torch.nn.functional as F

from gan.errors import UserError
from metrics.networks.extractors import EXTRACTORS
from metrics.networks.vgg import CHANNELS, FEATURES, FILE, Vgg16
from tests.metrics.networks.vgg_weights import random_vgg16


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return random_vgg16()


def test_the_pin_is_the_one_in_the_name():
    assert FILE.name == f"vgg16-{FILE.sha256}.pth" and FILE.url.endswith(FILE.name)


@torch.inference_mode()
def test_stages_end_before_their_pools(state, close):
    """Against thirteen convolutions by hand."""
    x = y = torch.randn(1, 3, 32, 32)
    found = Vgg16(state).stages(x)
    names = [name for name in state if name.startswith("features") and name.endswith("weight")]
    layers = iter(names)
    for index, depth in enumerate((2, 2, 3, 3, 3)):
        for _ in range(depth):
            name = next(layers)
            y = F.conv2d(y, state[name], state[name.replace("weight", "bias")], padding=1).relu()
        assert found[index].shape == (1, CHANNELS[index], 32 >> index, 32 >> index)
        close(found[index], y)
        y = F.max_pool2d(y, 2)


def test_the_tools_resize_and_scale(state, tmp_path, close):
    """torch-fidelity's VGG16 has output i at input i in / out, ours under nv at (i + 1/2) in / out - 1/2."""
    torch.save(state, tmp_path / "w.pth")
    ramp = torch.arange(28, dtype=torch.uint8).mul(9).expand(1, 3, 28, 28)
    across = torch.arange(224, dtype=torch.float64)
    places = {"vgg16-tf1-bilinear": across / 8, "vgg16": (across + 0.5) / 8 - 0.5}
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    for name, place in places.items():
        extractor = EXTRACTORS[name](torch.device("cpu"), tmp_path / "w.pth")
        value = place.clamp(0, 27).float() * 9 / 255
        want = (value - mean[:, None]) / deviation[:, None]
        close(extractor.prepare(ramp)[0][0], want[:, None].expand(3, 224, 224))
    assert extractor.name == "vgg16"


@pytest.mark.slow
@torch.inference_mode()
def test_fc2_is_the_second_linear_layer(state, close):
    """Constant weights make it a closed form: every feature is the same function of the sum of all inputs."""
    net = Vgg16(state)
    x = torch.randn(2, 3, 224, 224)
    grid = F.max_pool2d(net.stages(x)[-1], 2).flatten(1)  # [2, 25088]
    inner = (grid.double().sum(dim=1) * 1e-4 + 0.5).relu()
    want = (inner * FEATURES * 1e-3 + 0.25).relu()
    got = net(x)["fc2"]
    assert got.shape == (2, FEATURES) and want.min() > 0.25
    close(got, want[:, None].expand(-1, FEATURES).float(), scale=10)


def test_weights_that_do_not_fit(state, tmp_path):
    torch.save({name: t for name, t in state.items() if name.startswith("features")}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="does not hold the weights of vgg16"):
        EXTRACTORS["vgg16"](torch.device("cpu"), tmp_path / "w.pth")
