"""Images by seed: independent of batch size and neighbours, and the options reach the network."""

import pytest
import torch
from torch import nn

from gan import sampling
from gan.errors import UsageError
from gan.images import to_uint8
from gan.latents import z_from_seeds
from gan.networks.mapping import MappingConfig
from gan.networks.stylegan2 import GeneratorConfig
from tests.gan.latents import small
from tests.gan.latents.small import FAMILIES


def build(c_dim: int = 0) -> nn.Module:
    """A generator whose noise is switched on and whose running mean is not zero."""
    config = GeneratorConfig(
        resolution=16, z_dim=8, w_dim=8, c_dim=c_dim, channel_base=256, channel_max=16,
        mapping=MappingConfig(layers=2),
    )  # fmt: skip
    generator = config.build().eval()
    with torch.no_grad():
        generator.mapping.w_avg.fill_(0.2)
        for name, parameter in generator.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(0.3)
    return generator


class Plain(nn.Module):
    """A model without a style space: `G(z, c)` only."""

    z_dim, c_dim = 8, 3

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(8 + 3, 3 * 4 * 4)

    def forward(self, z, c):
        return self.out(torch.cat([z, c], dim=1)).view(-1, 3, 4, 4).tanh()


def draw(generator: nn.Module, seeds, **options) -> torch.Tensor:
    return torch.cat(list(sampling.images(generator, seeds, **options)))


def levels_apart(a: torch.Tensor, b: torch.Tensor) -> int:
    return (a.int() - b.int()).abs().max().item()


def test_a_seed_gives_the_same_image_in_any_batch():
    generator = build()
    seeds = [3, 7, 11, 0, 5]
    whole = draw(generator, seeds)
    assert whole.dtype == torch.uint8
    assert whole.shape == (5, 3, 16, 16)
    assert levels_apart(whole[0], whole[1]) > 20  # else the rest proves nothing
    for batch in (1, 2, 4):
        parts = list(sampling.images(generator, seeds, batch=batch))
        assert [len(part) for part in parts] == {1: [1] * 5, 2: [2, 2, 1], 4: [4, 1]}[batch]
        assert levels_apart(torch.cat(parts), whole) <= 1


def test_the_seeds_beside_it_change_no_bit_of_an_image():
    generator = build()
    whole = draw(generator, range(40))
    for some in ([7], [3, 7, 39], range(5, 30)):
        assert torch.equal(draw(generator, list(some)), whole[list(some)])


@torch.inference_mode()
def places_of_a_sample(family, device):
    """Pixels of one latent as floats, in each place of a batch, with other neighbours there."""
    generator = small.build(family).to(device)
    for name, parameter in generator.named_parameters():
        if name.endswith(("bias", "noise_strength")):
            parameter.normal_()
    own, classes = torch.randn(generator.z_dim), torch.eye(max(generator.c_dim, 1))
    places = []
    for place in range(sampling.BATCH):
        z, chosen = torch.randn(sampling.BATCH, len(own)), torch.randint(len(classes), [sampling.BATCH])
        z[place], chosen[place] = own, len(classes) // 2
        c = classes[chosen].to(device) if generator.c_dim else None
        places.append(generator(z.to(device), c)[place])
    return places


@pytest.mark.parametrize("family", FAMILIES)
def test_no_bit_of_a_sample_depends_on_its_place_or_its_neighbours(family):
    """Before values are rounded to levels, where a change of the last bit is seldom seen."""
    found = places_of_a_sample(family, "cpu")
    assert all(torch.equal(pixels, found[0]) for pixels in found)


@pytest.mark.needs_gpu
@pytest.mark.parametrize("family", FAMILIES)
def test_nor_on_a_gpu(family):
    found = places_of_a_sample(family, "cuda")
    assert all(torch.equal(pixels, found[0]) for pixels in found)


def test_images_are_the_networks_own_output():
    generator = build()
    with torch.no_grad():
        expected = to_uint8(generator(z_from_seeds(range(3), 8), psi=0.5, noise="none"))
    assert torch.equal(draw(generator, range(3), psi=0.5, noise="none"), expected)


def test_truncation_and_its_cutoff_reach_the_mapping():
    generator = build()
    zero = draw(generator, [0, 1], psi=0.0)
    assert torch.equal(zero[0], zero[1])
    partly = draw(generator, [0, 1], psi=0.0, psi_cutoff=1)
    assert not torch.equal(partly[0], partly[1])


def test_random_noise_belongs_to_the_seed_and_spares_the_global_state():
    generator = build()
    before = torch.get_rng_state()
    first = draw(generator, [1, 2, 3], noise="random")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(draw(generator, [3, 1], noise="random"), first[[2, 0]])
    parts = list(sampling.images(generator, [1, 2, 3], noise="random", batch=2))
    assert [len(part) for part in parts] == [2, 1] and levels_apart(torch.cat(parts), first) <= 1
    assert not torch.equal(draw(generator, [1], noise="random", noise_seed=1), first[:1])
    assert not torch.equal(draw(generator, [1], noise="const"), first[:1])


def test_gradients_stay_on_for_the_caller():
    for _ in sampling.images(build(), [0, 1], batch=1):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()


def test_classes_change_the_image_and_are_drawn_by_seed():
    generator = build(c_dim=4)
    assert not torch.equal(draw(generator, [5], labels=[0]), draw(generator, [5], labels=[1]))
    drawn = sampling.labels_from_seeds([9, 5], 4)
    assert torch.equal(draw(generator, [9, 5]), draw(generator, [9, 5], labels=drawn))


def test_drawn_classes_are_stable_and_cover_all():
    assert sampling.labels_from_seeds(range(8), 10) == [
        9,
        7,
        5,
        3,
        7,
        9,
        4,
        1,
    ]  # pinned: NumPy's stream is frozen
    assert sampling.labels_from_seeds([6, 2], 10) == [4, 5]
    counts = torch.bincount(torch.tensor(sampling.labels_from_seeds(range(2000), 4)), minlength=4)
    assert (counts - 500).abs().max() < 100  # five standard deviations
    assert sampling.labels_from_seeds(range(20), 10, seed=1) != sampling.labels_from_seeds(range(20), 10)


@pytest.mark.parametrize(
    ("c_dim", "labels", "message"),
    [(0, [0, 0], "no classes"), (4, [0], "1 classes for 2 seeds"), (4, [0, 4], "class 4 does not exist")],
)
def test_labels_that_do_not_fit(c_dim, labels, message):
    with pytest.raises(UsageError, match=message):
        draw(build(c_dim), [0, 1], labels=labels)


def test_batch_must_be_positive():
    with pytest.raises(UsageError, match="batch 0"):
        draw(build(), [0], batch=0)


def test_one_hot():
    assert sampling.one_hot([2, 0], 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert sampling.one_hot(torch.tensor([1]), 2).dtype == torch.float32
    with pytest.raises(UsageError, match="class -1"):
        sampling.one_hot([-1], 3)


@pytest.mark.parametrize("space", ["z", "w"])
@pytest.mark.parametrize("c_dim", [0, 3])
def test_frames_pass_through_the_seeds(space, c_dim):
    generator = build(c_dim)
    frames = torch.cat(list(sampling.frames(generator, [4, 8], steps=3, space=space, psi=0.8, batch=4)))
    stills = draw(generator, [4, 8], psi=0.8)
    assert frames.shape == (6, 3, 16, 16)
    assert levels_apart(frames[[0, 3]], stills) <= 1
    assert levels_apart(frames[1], frames[0]) > 1


def test_the_spaces_differ_between_seeds():
    generator = build()
    z, w = (torch.cat(list(sampling.frames(generator, [4, 8], steps=2, space=space))) for space in "zw")
    assert levels_apart(z[1], w[1]) > 1


@pytest.mark.parametrize("psi", [float("nan"), float("inf")])
def test_psi_is_a_number(psi):
    with pytest.raises(UsageError, match=f"psi {psi} is no number"):
        draw(build(), [0], psi=psi)


def test_frames_refuse_random_noise_and_unknown_spaces():
    with pytest.raises(UsageError, match="flicker"):
        next(sampling.frames(build(), [0], steps=2, noise="random"))
    with pytest.raises(UsageError, match="'w\\+'; use z or w"):
        next(sampling.frames(build(), [0], steps=2, space="w+"))


def test_a_model_without_styles_is_sampled_and_says_what_it_lacks():
    model = Plain()
    assert not sampling.has_styles(model)
    stills = draw(model, [1, 2], labels=[0, 2])
    assert stills.shape == (2, 3, 4, 4)
    frames = torch.cat(list(sampling.frames(model, [1, 2], steps=2, space="z", labels=[0, 2])))
    assert levels_apart(frames[[0, 2]], stills) <= 1
    with pytest.raises(
        UsageError, match=r"a Plain generator has no style space; leave out psi 0\.7, noise none"
    ):
        draw(model, [1], psi=0.7, noise="none")
    with pytest.raises(UsageError, match="space 'w'; use z"):
        next(sampling.frames(model, [1], steps=2))


@pytest.mark.parametrize("space", ["z", "w"])
def test_the_cutoff_of_truncation_holds_for_frames(space):
    generator, look = build(), {"psi": 0.0, "psi_cutoff": 1}
    frames = torch.cat(list(sampling.frames(generator, [4, 8], steps=2, space=space, **look)))
    assert levels_apart(frames[[0, 2]], draw(generator, [4, 8], **look)) <= 1
    assert levels_apart(frames[0], draw(generator, [4], psi=0.0)[0]) > 1
