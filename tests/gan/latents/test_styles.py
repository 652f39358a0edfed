"""Style space: what is read gives the same image again, what is written changes that layer alone."""

import pytest
import torch
import torch.nn.functional as F

from gan.errors import UsageError
from gan.latents import styles as s
from tests.gan.latents.families import PLAIN, WITH_STYLES, built


def ws_of(generator, count=3):
    c = torch.eye(generator.c_dim)[torch.arange(count) % generator.c_dim] if generator.c_dim else None
    return generator.mapping(torch.randn(count, generator.z_dim), c)


@pytest.mark.parametrize("name", WITH_STYLES)
def test_styles_of_ws_make_the_very_image_of_ws(name):
    generator = built(name)
    ws = ws_of(generator)
    ws = ws + torch.randn_like(ws)  # another w in each layer
    found = s.styles(generator, ws)
    assert torch.equal(s.render(generator, found), generator.synthesis(ws))
    assert {a.index for a in s.affines(generator).values()} == set(range(generator.num_ws))


@pytest.mark.parametrize("name", WITH_STYLES)
def test_every_layer_reads_its_own_style_and_a_given_one_stands_before_ws(name):
    generator = built(name)
    ws, other = ws_of(generator), ws_of(generator)
    found, wanted = s.styles(generator, other), generator.synthesis(ws)
    for layer in found:
        if layer == "input":
            continue  # its affine starts as a constant
        image = s.render(generator, {layer: found[layer]}, ws=ws)
        assert not torch.equal(image, wanted), layer
    assert torch.equal(generator.synthesis(ws), wanted)  # nothing stays behind
    assert torch.equal(s.render(generator, found, ws=ws), generator.synthesis(other))


def test_a_style_is_the_affine_of_its_w(close):
    generator = built("stylegan2")
    ws = torch.randn(2, generator.num_ws, 8)
    layer = generator.synthesis.b8.torgb.affine
    want = F.linear(ws[:, 3], layer.weight / 8**0.5, layer.bias)
    close(s.styles(generator, ws, ["b8.torgb"])["b8.torgb"], want)


def test_the_input_of_stylegan3_turns_by_its_style():
    generator = built("stylegan3-t")
    ws = ws_of(generator, 1)
    turned = s.edited(s.styles(generator, ws), "input", 1, lambda sine: sine + 1)
    assert not torch.allclose(s.render(generator, turned), generator.synthesis(ws))


def test_one_channel_is_edited_and_nothing_else():
    given = {"a": torch.zeros(2, 3), "b": torch.ones(2, 2)}
    found = s.edited(given, "a", 1, lambda values: values + torch.tensor([1.0, 2.0]))
    assert found["a"].tolist() == [[0, 1, 0], [0, 2, 0]] and found["b"] is given["b"]
    assert given["a"].abs().sum() == 0


def test_joined_and_split_are_inverse():
    given = {"a": torch.randn(2, 3), "b": torch.randn(2, 4)}
    values, channels = s.joined(given)
    assert values.shape == (2, 7) and channels == (("a", 3), ("b", 4))
    parts = s.split(values, channels)
    assert all(torch.equal(parts[name], given[name]) for name in given)


@pytest.mark.parametrize("name", PLAIN)
def test_others_refuse_in_words(name):
    with pytest.raises(UsageError, match=f"a {name.split()[0]} generator has no style space s"):
        s.styles(built(name), torch.zeros(1, 1, 8))


def test_what_does_not_fit_is_refused():
    generator = built("stylegan2")
    ws = ws_of(generator)
    found = s.styles(generator, ws)
    with pytest.raises(UsageError, match=r"unknown layer 'b8.conv2'; did you mean 'b8.conv1'"):
        s.styles(generator, ws, ["b8.conv2"])
    with pytest.raises(UsageError, match="unknown layer 'b9'"):
        s.render(generator, {"b9": found["b8.conv0"]}, ws=ws)
    with pytest.raises(UsageError, match=r"the style of b8.conv0 is \[3, 5\]; give \[3, 8\]"):
        s.render(generator, {**found, "b8.conv0": torch.zeros(3, 5)})
    with pytest.raises(UsageError, match=r"no style for b4.torgb, b8.conv0, b8.conv1 and 4 more"):
        s.render(generator, {"b4.conv1": found["b4.conv1"]})
    with pytest.raises(UsageError, match="layer b8.conv0 has no channel 8; it has 0 to 7"):
        s.edited(found, "b8.conv0", 8, torch.neg)
