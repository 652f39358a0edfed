"""EfficientNet-Lite: shapes, padding and folding, without the published weights."""

import pytest
import torch

from gan.networks.efficientnet_lite import FEATURES, EfficientNetLite, SameConv


@pytest.fixture(scope="module")
def net() -> EfficientNetLite:
    """Random weights and batch-norm statistics, so that folding has something to get wrong."""
    torch.manual_seed(0)
    net = EfficientNetLite()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.2, 0.5)
            module.weight.data.uniform_(0.8, 1.5)
            module.bias.data.normal_(0, 0.3)
    return net


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (8, 5, 2), (9, 5, 2), (6, 5, 1)]
)
def test_same_padding_sizes(size, kernel, stride):
    conv = SameConv(1, 1, kernel, stride)
    assert conv(torch.zeros(1, 1, size, size)).shape[-1] == -(-size // stride)


def test_same_padding_puts_the_odd_pixel_at_the_end():
    conv = SameConv(1, 1, 3, stride=2)
    conv.weight.data.copy_(
        torch.tensor([[1.0, 0, 0]] * 3)[None, None] / 3
    )  # reads the left column of its window
    x = torch.arange(6.0).expand(1, 1, 6, 6)
    assert conv(x)[0, 0, 0].tolist() == pytest.approx([0, 2, 4])  # first window starts at column 0


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [(8, 8), (7, 7), (8, 7), (5, 2), (1, 4)], ids=str)
def test_same_padding_by_its_definition(size, kernel, groups, close):
    """Zeros around x, one more behind than before where their number is odd, and a convolution of that."""
    conv = SameConv(4, 4, kernel, stride=2, groups=groups).double()
    x = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
    padded = x
    for axis in (3, 2):
        missing = max((-(-x.shape[axis] // 2) - 1) * 2 + kernel - x.shape[axis], 0)
        ends = [list(x.shape), list(x.shape)]
        ends[0][2:] = ends[1][2:] = padded.shape[2:]
        ends[0][axis], ends[1][axis] = missing // 2, missing - missing // 2
        padded = torch.cat([x.new_zeros(ends[0]), padded, x.new_zeros(ends[1])], dim=axis)
    want = torch.nn.functional.conv2d(padded, conv.weight, stride=2, groups=groups)
    weights = torch.randn_like(want)
    close(conv(x), want)
    close(*(torch.autograd.grad((y * weights).sum(), x)[0] for y in (conv(x), want)))


def test_published_names_and_size(net):
    names = dict(net.state_dict())
    assert len(names) == 296 and len(net.blocks) == 16
    assert names["conv_head.weight"].shape == (FEATURES, 320, 1, 1)
    published = {
        ".".join(f"_{part}" if part[0].isalpha() and part not in LEAVES else part for part in n.split(".")): t
        for n, t in names.items()
    }
    assert "_blocks.1._expand_conv.weight" in published
    EfficientNetLite().load_published(published)
    with pytest.raises(RuntimeError, match="Missing"):
        EfficientNetLite().load_published({n: t for n, t in published.items() if n != "_fc.bias"})


LEAVES = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


@torch.inference_mode()
def test_folding_changes_nothing(net, close):
    twin = EfficientNetLite()
    twin.load_state_dict(net.state_dict())
    x = torch.randn(2, 3, 64, 64)
    want = net.features(x)
    got = twin.fold().features(x)
    assert want.shape == (2, FEATURES) and want.std() > 0.1
    close(got, want)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in twin.modules())
    close(twin(x), torch.nn.functional.linear(want, net.fc.weight, net.fc.bias))


@torch.inference_mode()
def test_scales_are_the_last_maps_of_each_size(net):
    """Each is what the blocks up to the next halving give, one after the other."""
    x = torch.randn(1, 3, 68, 64)
    found = net.scales(x)
    assert [tuple(y.shape[1:]) for y in found] == [(24, 17, 16), (40, 9, 8), (112, 5, 4), (320, 3, 2)]
    y, ends = torch.nn.functional.relu6(net.bn0(net.conv_stem(x))), {}
    for block in net.blocks:
        y = block(y.clone())
        ends[y.shape[2]] = y
    for y in found:
        torch.testing.assert_close(y, ends[y.shape[2]])
    y = torch.nn.functional.relu6(net.bn1(net.conv_head(found[-1])))
    torch.testing.assert_close(y.mean(dim=(2, 3)), net.features(x))
