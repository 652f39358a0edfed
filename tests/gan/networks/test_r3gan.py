"""R3GAN's networks beyond the golden files: sizes, initial state, refusals."""

import pytest
import torch

from gan.config import from_dict
from gan.errors import UsageError, UserError
from gan.models import checkpoint
from gan.networks.r3gan import DiscriminatorConfig, GeneratorConfig, from_published

SMALL = {"resolution": 16, "widths": [16, 16, 8], "blocks": 1}


def build(config, **changes):
    return from_dict(config, SMALL | changes).build()


def test_a_block_starts_as_the_identity():
    block = build(GeneratorConfig).stages[0].blocks[0]
    x = torch.randn(2, 16, 4, 4)
    assert torch.equal(block(x), x)


def test_parameter_counts_of_the_published_sizes():
    """By hand, per block of width w with 3x3 groups of 16 channels: 2 w^2 + 2w * 16 * 9 + 2 w^2 + 4 w."""
    block = 4 * 768**2 + 2 * 768 * 16 * 9 + 4 * 768
    with torch.device("meta"):
        G, D = GeneratorConfig().build(), DiscriminatorConfig().build()
    counts = [sum(p.numel() for p in net.parameters()) for net in (G, D)]
    assert counts == [8 * block + 768 * 16 + 768 * 64 + 3 * 768, 8 * block + 768 * 16 + 768 + 3 * 768]


@pytest.mark.parametrize(
    ("resolution", "widths"),
    [(16, (768,) * 3), (32, (768,) * 4), (64, (768, 768, 768, 768, 384)), (256, (768,) * 4 + (384, 192, 96))],
)
def test_default_widths_are_the_published_ones(resolution, widths):
    for config in (GeneratorConfig, DiscriminatorConfig):
        assert config(resolution=resolution).level_widths == widths


def test_widths_fit_images_of_any_size():
    config = DiscriminatorConfig(resolution=64, widths=(8, 6))
    assert config.level_widths == (8, 6, 3, 1, 1) and config.groups == (1,) * 5
    assert config.build()(torch.randn(2, 3, 64, 64)).shape == (2, 1)
    assert DiscriminatorConfig(resolution=4, widths=(8, 6)).level_widths == (8,)


def test_labels_change_the_result():
    G, D = build(GeneratorConfig, c_dim=2), build(DiscriminatorConfig, c_dim=2)
    z, c = torch.randn(1, 64).expand(2, -1), torch.eye(2)
    img = G(z, c)
    assert not torch.allclose(img[0], img[1])
    logits = D(img[:1].expand(2, -1, -1, -1), c)
    assert not torch.allclose(logits[0], logits[1])


@pytest.mark.parametrize(
    ("given", "widths"),
    [({}, (4, 16)), ({"c_embed": "auto"}, (4, 16)), ({"c_embed": None}, (16, 16)), ({"c_embed": 5}, (5, 5))],
    ids=["default", "auto", "null", "5"],
)
def test_width_of_the_embedding(given, widths):
    """As wide as z in the generator and as its first stage in the discriminator; null means 0.1's widths."""
    classes = {"c_dim": 3, **given}
    G, D = build(GeneratorConfig, z_dim=4, **classes), build(DiscriminatorConfig, **classes)
    assert [net.embed.weight.shape for net in (G, D)] == [(width, 3) for width in widths]
    assert G.linear.weight.shape == (16, 4 + widths[0]) and D.linear.weight.shape == (widths[1], 16)


def test_a_file_that_says_null_holds_the_width_of_the_first_stage(tmp_path):
    """As version 0.1 wrote it, whose null meant so in both networks."""
    given = {"type": "r3gan", **SMALL, "c_dim": 3}
    networks = {
        role: from_dict(config, {**given, "c_embed": 16}).build()
        for role, config in (("generator", GeneratorConfig), ("discriminator", DiscriminatorConfig))
    }
    config = {"kimg": 1.0} | {role: {**given, "c_embed": None} for role in networks}
    checkpoint.write(tmp_path / "000001", config=config, card="", **networks)
    saved = checkpoint.read(tmp_path / "000001")
    assert torch.equal(saved.generator().embed.weight, networks["generator"].embed.weight)
    assert torch.equal(saved.discriminator().embed.weight, networks["discriminator"].embed.weight)


def test_noise_outweighs_the_class():
    """Expected share of the variance before the basis: 64 of 64 + 64 / 10, for z_dim 64 and 10 classes."""
    labels = GeneratorConfig(c_dim=10).build().embed(torch.eye(10)).square().sum(dim=1).mean()
    assert (64 / (64 + labels)).item() == pytest.approx(0.91, abs=0.01)


def test_a_style_space_is_refused_by_name():
    with pytest.raises(UserError, match="no style space"):
        build(GeneratorConfig).mapping(torch.randn(1, 64))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": []}, r"widths must be one number or more, each >= 1; got \[\]"),
        ({"widths": [16, 0]}, "widths must be"),
        ({"cardinality": [2, 2, 3]}, "cardinality 3 must divide the 16 inner channels"),
        ({"blocks": [1, 2]}, "blocks needs 3 numbers, for the levels 4 to 16"),
        ({"resolution": 24}, "power of two"),
    ],
)
def test_impossible_settings(change, message):
    with pytest.raises(UsageError, match=message):
        from_dict(GeneratorConfig, SMALL | change)


def test_a_foreign_key_is_refused():
    with pytest.raises(ValueError, match="weird.key is not a key"):
        from_published({"weird.key": torch.zeros(1)})
