"""The Inception network: structure, folding, weights that do not fit. tests/golden checks its numbers."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from gan.errors import UserError
from gan.files import sha256
from metrics.conventions import CONVENTIONS
from metrics.networks import Networks
from metrics.networks.extractors import EXTRACTORS, INCEPTION_FILE, extractor_for
from metrics.networks.inception import HEADS, AveragePoolBranch, ConvNorm, Inception, MaxPoolBranch, joined
from tests.golden.inception import formula_weights, shapes

CPU = torch.device("cpu")


def alive(branch: ConvNorm) -> ConvNorm:
    """The branch with batch-norm statistics that folding could get wrong, in eval mode."""
    branch.bn.running_mean.normal_(0, 0.3)
    branch.bn.running_var.uniform_(0.2, 0.5)
    branch.bn.weight.data.uniform_(0.8, 1.5)
    branch.bn.bias.data.normal_(0, 0.3)
    return branch.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return formula_weights()


def test_names_and_sizes():
    known = shapes()
    assert len(known) == 472 and sum(torch.Size(s).numel() for s in known.values()) == 23_885_392
    assert known["Mixed_6c.branch7x7dbl_4.conv.weight"] == [160, 160, 7, 1]
    assert known["fc.weight"] == [1008, 2048]


@pytest.mark.parametrize("kind", [ConvNorm, AveragePoolBranch, MaxPoolBranch])
def test_folding_changes_nothing(kind, close):
    branch, x = alive(kind(5, 7, 1)), torch.randn(2, 5, 9, 9)
    want = branch(x)
    branch.fold()
    assert not isinstance(branch.bn, torch.nn.BatchNorm2d)
    close(branch(x), want)
    assert want.min() == 0 and want.max() > 0.1


def test_average_pool_leaves_padding_out(close):
    """Pool after the convolution against the definition: pool before it, with the number of real pixels."""
    branch, x = alive(AveragePoolBranch(4, 3, 1)), torch.randn(1, 4, 6, 6)
    window = torch.ones(4, 1, 3, 3)
    mean = F.conv2d(x, window, padding=1, groups=4) / F.conv2d(
        torch.ones_like(x), window, padding=1, groups=4
    )
    close(branch(x), branch.bn(branch.conv(mean)).relu())


def test_max_pool_comes_first(close):
    branch, x = alive(MaxPoolBranch(4, 3, 1)), torch.randn(1, 4, 6, 6)
    close(branch(x), branch.bn(branch.conv(F.max_pool2d(x, 3, 1, 1))).relu())


def test_joined_is_relu_of_the_concatenation():
    parts = [torch.randn(2, c, 5, 4) for c in (3, 1, 6)]
    parts[1] = parts[1].contiguous(memory_format=torch.channels_last)
    whole = joined(parts)
    assert torch.equal(whole, torch.cat(parts, dim=1).relu())
    assert whole.is_contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def test_heads_of_the_folded_network(weights, close):
    x = torch.rand(1, 3, 299, 299) * 2 - 1
    plain, folded = Inception.from_weights(weights), Inception.from_weights(weights).fold()
    want, got = plain(x), folded(x.contiguous(memory_format=torch.channels_last))
    assert {name: head.shape[1] for name, head in want.items()} == HEADS
    for name in HEADS:
        close(got[name], want[name], scale=2)
    close(got["logits"] - got["logits_unbiased"], weights["fc.bias"][None])


@pytest.fixture(scope="module")
def path(weights, tmp_path_factory) -> Path:
    """The formula's weights as a file."""
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_file(weights, path)
    return path


def test_extractor_from_a_file(path, close):
    """Provenance, one feature row per image, and nothing of a batch in it; grey and colour, any size."""
    built = EXTRACTORS[extractor_for("inception", CONVENTIONS["nv"])](CPU, path)
    assert (built.name, built.convention) == ("inception-2015-12-05", "299px-tf1-bilinear-tf")
    assert built.sha256 == sha256(path) != INCEPTION_FILE.sha256 and dict(built.heads) == HEADS
    images = torch.randint(0, 256, (2, 1, 8, 12), dtype=torch.uint8)
    both = built(images)
    assert {name: tuple(f.shape) for name, f in both.items()} == {name: (2, d) for name, d in HEADS.items()}
    close(both["pool"][1:], built(images[1:].expand(-1, 3, -1, -1))["pool"])
    assert (both["pool"][0] - both["pool"][1]).abs().max() > 1e-3


def test_bf16_is_near_and_says_so(path):
    name = extractor_for("inception", CONVENTIONS["pf"])
    exact, near = (Networks(CPU, {"inception": path}, how)[name] for how in ("float32", "bf16"))
    assert (near.name, near.precision) == (exact.name + "-bf16", "bf16") and near.sha256 == exact.sha256
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    want, got = exact(images), near(images)
    for name in HEADS:
        error = (got[name] - want[name]).norm() / want[name].norm()
        assert got[name].dtype == torch.float32 and 1e-4 < error < 2e-2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("Mixed_7c.branch_pool.conv.weight"), "branch_pool.conv.weight"),
        (lambda w: w.update({"fc.weight": torch.zeros(1000, 2048)}), "size mismatch for fc.weight"),
        (lambda w: w.update({"AuxLogits.fc.bias": torch.zeros(1000)}), "AuxLogits.fc.bias"),
    ],
)
def test_other_weights_are_refused(change, message, tmp_path):
    state = {name: torch.zeros(1).expand(shape) for name, shape in shapes().items()}
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(UserError, match=message):
        EXTRACTORS[extractor_for("inception", CONVENTIONS["pf"])](CPU, tmp_path / "w.pth")
