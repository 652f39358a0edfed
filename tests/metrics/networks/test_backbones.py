"""DINOv2 and CLIP: position embeddings, absent packages and, with the extra installed, their structure."""

import sys

import pytest
import torch

from gan.errors import UserError
from metrics.networks import backbones
from metrics.networks.backbones import resized_positions
from metrics.networks.extractors import EXTRACTORS

CPU = torch.device("cpu")


@pytest.mark.parametrize(("network", "package"), [("dinov2", "timm"), ("clip", "open_clip")])
def test_an_absent_package_is_said_before_weights_are_fetched(network, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)  # an import fails
    with pytest.raises(UserError, match=rf'{network} needs {package}.*pip install -e "\.\[metrics\]"'):
        EXTRACTORS[network](CPU)


def test_positions_of_the_own_size_stay():
    embedding = torch.randn(1, 1 + 9, 4)
    assert torch.equal(resized_positions(embedding, 3), embedding)


def test_positions_keep_the_token_constants_and_directions(close):
    token, flat = torch.randn(1, 1, 4), torch.randn(1, 1, 4)
    out = resized_positions(torch.cat([token, flat.expand(1, 37 * 37, 4)], dim=1), 16)
    assert out.shape == (1, 1 + 256, 4) and torch.equal(out[:, :1], token)
    close(out[:, 1:], flat.expand(1, 256, 4))
    across = torch.arange(37.0).expand(37, 37).reshape(1, -1, 1)  # the column of each place
    grid = resized_positions(torch.cat([torch.zeros(1, 1, 1), across], dim=1), 16)[0, 1:, 0].view(16, 16)
    want = (torch.arange(16) + 0.5) * 37 / 16.1 - 0.5  # half-pixel places at the stated scale
    error = (grid - want).abs()[:, 1:-1]  # torch's bicubic bends straight lines by up to 0.05
    assert error.max() < 0.1 < ((torch.arange(16) + 0.5) * 37 / 16 - 0.5 - want).abs()[1:-1].max()


@pytest.mark.slow
@torch.inference_mode()
def test_dinov2_reads_the_publishers_names():
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        net = timm.create_model("vit_large_patch14_dinov2", pretrained=False, num_classes=0)
    state = {name: 0.02 * torch.randn(t.shape) for name, t in net.state_dict().items()}
    assert state["pos_embed"].shape == (1, 1 + 37 * 37, 1024)
    features = backbones.dinov2({**state, "mask_token": torch.zeros(1, 1024)})(torch.randn(1, 3, 224, 224))
    assert features["pool"].shape == (1, backbones.DINOV2_FEATURES)


@pytest.mark.slow
@torch.inference_mode()
def test_clip_reads_the_image_half(close):
    open_clip = pytest.importorskip("open_clip")
    whole = open_clip.create_model("ViT-B-32-quickgelu", load_weights=False).eval()
    x = torch.randn(1, 3, 224, 224)
    features = backbones.clip(whole.state_dict())(x)["pool"]
    assert features.shape == (1, backbones.CLIP_FEATURES)
    close(features, whole.encode_image(x))
