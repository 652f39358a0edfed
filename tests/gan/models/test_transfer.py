"""Weights of one network for another: taken bit for bit, adapted to the same function, complete reports."""

import pytest
import torch

from gan.models.transfer import paired, transfer
from gan.networks import r3gan as r3gan_networks
from gan.networks import sngan, stylegan2, stylegan3
from gan.networks.mapping import MappingConfig

SMALL = {"channel_base": 128, "channel_max": 8, "mapping": MappingConfig(layers=2)}


def generator(seed=0, resolution=16, **other):
    torch.manual_seed(seed)
    config = stylegan2.GeneratorConfig(resolution=resolution, z_dim=6, w_dim=6, **SMALL, **other)
    return settled(config.build())


def discriminator(seed=0, resolution=16, **other):
    torch.manual_seed(seed)
    return settled(stylegan2.DiscriminatorConfig(resolution=resolution, **SMALL, **other).build())


def alias_free(seed=0, resolution=16, **other):
    torch.manual_seed(seed)
    config = stylegan3.GeneratorConfig(
        resolution=resolution, z_dim=6, w_dim=6, layers=4, channel_base=64, channel_max=8, **other
    )
    return settled(config.build())


def r3gan(seed=0, resolution=16, **other):
    torch.manual_seed(seed)
    levels = resolution.bit_length() - 2
    shape = {"widths": (16,) * levels, "blocks": 1, "resolution": resolution}
    return settled(r3gan_networks.GeneratorConfig(z_dim=6, **shape, **other).build())


def r3gan_d(seed=0, resolution=16, **other):
    torch.manual_seed(seed)
    shape = {"widths": (16,) * (resolution.bit_length() - 2), "blocks": 1, "resolution": resolution}
    return settled(r3gan_networks.DiscriminatorConfig(**shape, **other).build())


def sngan_g(seed=0, resolution=16, **other):
    torch.manual_seed(seed)
    return settled(sngan.GeneratorConfig(resolution=resolution, width=8, z_dim=6, **other).build())


def sngan_d(seed=0, resolution=16, **other):
    torch.manual_seed(seed)
    return settled(sngan.DiscriminatorConfig(resolution=resolution, width=8, **other).build())


def settled(network):
    """Biases and noise as training leaves them, instead of zeros."""
    for name, p in network.named_parameters():
        if name.endswith(("bias", "noise_strength")):
            p.data.add_(0.3 * torch.randn(p.shape))
    return network.eval().requires_grad_(False)


def moved(new, old, classes=None):
    """`new` with the weights of `old`, and the report; checks that the report names each tensor once."""
    before = {name: tensor.clone() for name, tensor in new.state_dict().items()}
    state, report = transfer(new.state_dict(), old.state_dict(), classes)
    assert sorted([*report.taken, *report.adapted, *report.new, *report.filters]) == sorted(before)
    for name in report.new + report.filters:
        assert torch.equal(state[name], before[name])
    new.load_state_dict(state)
    return new, report


@pytest.mark.parametrize("make", [generator, discriminator, alias_free, r3gan, r3gan_d, sngan_g, sngan_d])
def test_the_same_size_takes_everything_bit_for_bit(make):
    old = make(seed=1)
    new, report = moved(make(seed=2), old)
    for name, tensor in old.state_dict().items():
        assert torch.equal(new.state_dict()[name], tensor), name
    assert not (report.adapted or report.new or report.unused)
    assert report.taken_values == report.values == sum(old.state_dict()[n].numel() for n in report.taken)


def test_a_higher_resolution_takes_the_common_blocks():
    old, d_old = generator(1), discriminator(1)
    new, report = moved(generator(2, resolution=32), old)
    assert {name.split(".")[1] for name in report.new} == {"b32"} and not report.unused
    for name, tensor in old.synthesis.state_dict().items():
        assert torch.equal(new.synthesis.state_dict()[name], tensor)
    d_new, report = moved(discriminator(2, resolution=32), d_old)
    assert {name.split(".")[0] for name in report.new} == {"b32"}
    assert report.unused == ["b16.fromrgb.weight", "b16.fromrgb.bias"]
    assert torch.equal(d_new.b16.conv1.weight, d_old.b16.conv1.weight)


def test_a_lower_resolution_and_back(close):
    old = generator(1, resolution=32)
    _, report = moved(generator(2), old)
    assert not report.new and {name.split(".")[1] for name in report.unused} == {"b32"}
    assert "synthesis.b32.* (" in " ".join(report.lines("generator"))


def test_an_unconditional_model_becomes_conditional_with_the_same_images(close):
    old, z = generator(1), torch.randn(3, 6)
    new, report = moved(generator(2, c_dim=3), old)
    assert list(report.adapted) == ["mapping.fc0.weight"]
    assert report.new == ["mapping.embed.weight", "mapping.embed.bias"]
    for c in torch.eye(3):
        close(new(z, c.expand(3, -1)), old(z))
    _, report = moved(discriminator(2, c_dim=3), discriminator(1))
    assert {name.split(".")[0] for name in report.new} == {"mapping", "b4"}
    assert report.unused == ["b4.out.weight", "b4.out.bias"]


def test_classes_are_paired_by_name(close):
    old, z = generator(1, c_dim=2), torch.randn(1, 6)
    classes = paired(["ape", "cat", "bee"], ["bee", "ape"])
    assert classes == [1, None, 0] and paired([], ["bee"]) is None
    new, report = moved(generator(2, c_dim=3), old, classes)
    assert report.adapted == {"mapping.embed.weight": "2 of 3 classes"}
    cat, ape, bee = torch.eye(3)[[1]], torch.eye(3)[[0]], torch.eye(3)[[2]]
    close(new(z, ape), old(z, torch.eye(2)[[1]]))
    close(new(z, bee), old(z, torch.eye(2)[[0]]))
    assert (new(z, cat) - old(z, torch.eye(2)[[0]])).abs().max() > 1e-3


def test_classes_in_another_order_move_their_columns(close):
    old, z = discriminator(1, c_dim=2), torch.randn(1, 3, 16, 16)
    new, report = moved(discriminator(2, c_dim=2), old, paired(["b", "a"], ["a", "b"]))
    assert list(report.adapted) == ["mapping.embed.weight"]
    close(new(z, torch.eye(2)[[0]]), old(z, torch.eye(2)[[1]]))


@pytest.mark.parametrize("make", [generator, alias_free])
def test_image_channels_keep_the_picture(make, close):
    old, z = make(1, channels=3), torch.randn(2, 6)
    want = old(z)
    rgba, report = moved(make(2, channels=4), old)
    assert len(report.adapted) in (2, 6) and not report.new  # of one torgb, or of one per level
    close(rgba(z)[:, :3], want)
    close(rgba(z)[:, 3], torch.zeros(2, 16, 16))
    grey, _ = moved(make(2, channels=1), old)
    close(grey(z), want.mean(dim=1, keepdim=True))
    again, _ = moved(make(3, channels=3), grey)
    close(again(z), grey(z).expand(-1, 3, -1, -1))


def test_discriminators_see_the_same_in_other_channels(close):
    old, grey_old = discriminator(1), discriminator(1, channels=1)
    x, alpha = torch.randn(4, 3, 16, 16), torch.randn(4, 1, 16, 16)
    rgba, report = moved(discriminator(2, channels=4), old)
    assert list(report.adapted) == ["b16.fromrgb.weight"]
    close(rgba(torch.cat([x, alpha], dim=1)), old(x))
    grey, _ = moved(discriminator(2, channels=1), old)
    close(grey(alpha), old(alpha.expand(-1, 3, -1, -1)))
    colour, _ = moved(discriminator(2), grey_old)
    close(colour(x), grey_old(x.mean(dim=1, keepdim=True)))


def test_another_base_enlarges_the_learned_input():
    old, wide = generator(1), generator(2, base=(4, 8))
    new, report = moved(wide, old)
    assert "synthesis.b4.const" in report.adapted
    assert all(name.endswith("noise_const") for name in report.new)
    close_rows = new.synthesis.b4.const.mean(dim=(1, 2)) - old.synthesis.b4.const.mean(dim=(1, 2))
    assert close_rows.abs().max() < 0.2


def test_plain_generators_keep_their_images_with_classes_and_channels(close):
    z, c = torch.randn(2, 6), torch.eye(3)[:2]
    old = r3gan(1)
    new, report = moved(r3gan(2, c_dim=3, channels=4, c_embed=5), old)
    assert list(report.adapted) == ["linear.weight", "to_rgb.weight"] and report.new == ["embed.weight"]
    close(new(z, c)[:, :3], old(z))
    grey, _ = moved(sngan_g(2, channels=1), sngan_g(1))
    assert grey(z).shape == (2, 1, 16, 16)
    old, names = sngan_g(1, c_dim=2), paired(["x", "b", "a"], ["a", "b"])
    new, _ = moved(sngan_g(2, c_dim=3), old, names)
    close(new(z, torch.eye(3)[[2, 1]]), old(z, torch.eye(2)))


@pytest.mark.parametrize("make, name", [(r3gan_d, "stages"), (sngan_d, "blocks")])
def test_plain_discriminators_are_paired_from_the_inside(make, name, close):
    old = make(1)
    new, report = moved(make(2, resolution=32), old)
    assert {n.split(".")[1] for n in report.new} == {"0" if name == "stages" else "1"}
    for place in (-1, -2):
        mine, theirs = (getattr(network, name)[place].state_dict() for network in (new, old))
        assert theirs and all(torch.equal(mine[key], theirs[key]) for key in theirs)
    x, alpha = torch.randn(2, 3, 16, 16), torch.randn(2, 1, 16, 16)
    if make is r3gan_d:
        rgba, _ = moved(make(2, channels=4), old)
        close(rgba(torch.cat([x, alpha], dim=1)), old(x))


def test_statistics_channels_may_go(close):
    old, x = discriminator(1, mbstd_channels=0), torch.randn(4, 3, 16, 16)
    new, report = moved(discriminator(2), old)
    assert list(report.adapted) == ["b4.conv.weight"]
    close(new(x), old(x))


def test_alias_free_layers_are_paired_by_number_and_keep_their_own_filters():
    old, new = alias_free(1), alias_free(2, resolution=32)
    new, report = moved(new, old)
    mine, theirs = new.synthesis, old.synthesis
    assert len(report.filters) >= 6 and mine.layers != theirs.layers
    first, last = zip(mine.layers, theirs.layers, strict=True), (mine.layers[-1], theirs.layers[-1])
    pairs = [(getattr(mine, a), getattr(theirs, b)) for a, b in [*first, last]]
    taken = [torch.equal(a.weight, b.weight) for a, b in pairs if a.weight.shape == b.weight.shape]
    assert taken and all(taken)


def test_other_widths_are_new_and_said_so():
    torch.manual_seed(0)
    wide = stylegan2.GeneratorConfig(resolution=16, z_dim=9, w_dim=9, channel_max=16).build()
    _, report = moved(wide, generator(1))
    assert report.taken_values < 0.1 * report.values
    assert "synthesis.b4.const" in report.new and "synthesis.b4.const" in report.unused


def test_half_precision_sources_and_marks_of_parametrizations():
    base, factor = "a.parametrizations.weight.original", "a.parametrizations.weight.0.b"
    new = {base: torch.zeros(2, 2), factor: torch.zeros(2)}
    state, report = transfer(new, {"a.weight": torch.ones(2, 2, dtype=torch.float16)})
    assert report.taken == [base] and report.new == [factor]
    assert state[base].dtype == torch.float32 and state[base].eq(1).all()
