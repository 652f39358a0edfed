"""Pivotal tuning: the pivots give their images, others stay, and a break costs nothing."""

import pytest
import torch

from gan.errors import UsageError
from gan.latents.pivotal import PivotalTuning, TuningSettings
from tests.gan.latents.small import build, embed

CLASSES = torch.eye(3)


def begun(generator, c=None, **settings) -> PivotalTuning:
    """Tuning of two pivots to two pictures that they do not give."""
    random = torch.Generator().manual_seed(1)
    images = torch.rand(2, *generator.image_shape, generator=random) * 2 - 1
    z = torch.randn(2, generator.z_dim, generator=random)
    pivots = generator.mapping(z, c) if getattr(generator, "num_ws", 0) else z
    settings = {"steps": 30, "learning_rate": 0.01, "locality": 0.0, **settings}
    return PivotalTuning(generator, images, pivots, embed, TuningSettings(**settings), c=c)


def ended(tuning: PivotalTuning) -> PivotalTuning:
    for _ in tuning.run():
        pass
    return tuning


def apart(tuning: PivotalTuning) -> torch.Tensor:
    return (tuning.rendered() - tuning.images).square().mean(dim=(1, 2, 3))


@pytest.mark.parametrize("family", ["stylegan2", "stylegan3-t", "sngan-conditional", "r3gan", "fastgan"])
def test_the_images_come_near_and_the_generator_given_stays(family):
    generator = build(family)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    tuning = begun(generator, CLASSES[:2] if generator.c_dim else None)
    first = apart(tuning)
    assert (apart(ended(tuning)) < first).all()
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    moved = [n for n, value in tuning.generator.state_dict().items() if not torch.equal(value, before[n])]
    assert moved
    assert not any(name.startswith("mapping.") for name in moved)


def test_locality_keeps_other_images():
    generator = build("stylegan2")
    others = generator.mapping(torch.randn(16, 8, generator=torch.Generator().manual_seed(9)))
    changes = []
    for locality in (0.0, 10.0):
        tuned = ended(begun(generator, locality=locality)).generator
        moved = tuned.synthesis(others, noise="const") - generator.synthesis(others, noise="const")
        changes.append(moved.square().mean().item())
    assert changes[1] < 0.5 * changes[0]


def test_what_is_kept_lies_on_the_way_to_a_random_latent():
    generator = build("stylegan2")
    near, far = (begun(generator, reach=reach) for reach in (0.25, 1.0))
    pivots = near._pivots
    there = far._nearby(pivots, [0, 1])  # a random latent itself
    assert (there - pivots).abs().max() > 0.1
    torch.testing.assert_close(near._nearby(pivots, [0, 1]), pivots + 0.25 * (there - pivots))


def test_adapters_alone_are_tuned():
    generator = build("stylegan2", lora_rank=2)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    tuned = ended(begun(generator, steps=3)).generator.state_dict()
    moved = {name.rpartition(".")[2] for name, value in tuned.items() if not torch.equal(value, before[name])}
    assert moved <= {"a", "b"}
    assert moved


@pytest.mark.parametrize("locality", [0.0, 0.5])
def test_a_state_goes_on_bit_for_bit(locality):
    whole = ended(begun(build("stylegan2"), steps=6, batch=1, locality=locality))
    first = begun(build("stylegan2"), steps=6, batch=1, locality=locality)
    for step in first.run():
        if step.number == 2:
            break
    second = begun(build("stylegan2"), steps=6, batch=1, locality=locality)
    second.restore(first.state())
    ended(second)
    assert torch.equal(second.rendered(), whole.rendered())


def test_steps_take_turns():
    tuning = begun(build("stylegan2"), batch=1)
    assert [tuning.turn(number) for number in range(3)] == [[0], [1], [0]]
    assert begun(build("stylegan2"), batch=8).turn(5) == [0, 1]
    step = next(tuning.run())
    assert (step.number, step.total, len(step.images)) == (1, 30, 1)


def test_the_state_of_another_model_is_refused():
    state = begun(build("stylegan2")).state()
    with pytest.raises(UsageError, match="another tuning"):
        begun(build("sngan")).restore(state)
