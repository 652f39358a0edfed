"""Images along directions: pixels of every space and family, in batches of the one size."""

import pytest
import torch

import gan
from gan.errors import UsageError
from gan.images import to_uint8
from gan.jobs.sampling import sample
from gan.jobs.sampling.along import Walk
from gan.jobs.serving.moves import Move, Moves
from gan.latents import z_from_seeds
from gan.latents.directions import Directions
from gan.latents.sefa import sefa
from gan.models import direction_files
from gan.networks.base import digest
from gan.sampling import BATCH, labels_from_seeds, one_hot
from tests.gan.latents.families import built
from tests.gan.runs import write_run


def in_z(generator):
    """One direction, the third axis, twice as long as a unit."""
    return Directions(
        method="supervised",
        space="z",
        vectors=torch.eye(8)[2:3],
        scales=torch.tensor([2.0]),
        names=("a",),
        model=digest(generator),
    )


def moves_of(generator, directions, tmp_path):
    path = tmp_path / "a.safetensors"
    direction_files.save(directions, path)
    return Moves([str(path)], {"m": lambda: generator})


def test_in_z_of_a_model_without_styles(tmp_path):
    """The image of z + amount * scale * axis, which is computed here by hand."""
    generator = built("r3gan conditional alpha")
    moves = moves_of(generator, in_z(generator), tmp_path)
    seeds = [3, 4]
    found = moves.images(generator, seeds, None, 1.0, [Move("a.safetensors", 0, 1.5)])
    z = z_from_seeds(seeds, 8)
    z[:, 2] += 1.5 * 2.0
    c = one_hot(labels_from_seeds(seeds, 2), 2)
    filled = [torch.cat([part, part[-1:].expand(BATCH - 2, -1)]) for part in (z, c)]
    with torch.inference_mode():
        assert torch.equal(found, to_uint8(generator(*filled))[:2])


def test_in_the_space_of_styles(tmp_path):
    generator = built("stylegan2")
    moves = moves_of(generator, sefa(generator, 2), tmp_path)
    still = moves.images(generator, [5], None, 0.7, [Move("a.safetensors", 1, 0.0)])
    there = moves.images(generator, [5], None, 0.7, [Move("a.safetensors", 1, 3.0)])
    assert torch.equal(still, sample(generator, [5], psi=0.7)) and not torch.equal(still, there)


def test_the_network_sees_batches_of_one_size(tmp_path, monkeypatch):
    """That of the command as well, so that both round alike."""
    generator = gan.load(write_run(tmp_path / "run"))
    directions = sefa(generator, 2)
    moves, seen, real = moves_of(generator, directions, tmp_path), [], generator.mapping.forward
    monkeypatch.setattr(
        generator.mapping,
        "forward",
        lambda z, *given, **named: seen.append(len(z)) or real(z, *given, **named),
    )
    served = moves.images(generator, [1, 2, 3], None, 1.0, [Move("a.safetensors", 0, 2.0)])
    for count in (1, 5):
        drawn = Walk(generator, directions, [1, 2, 3], None).at(0, 2, [2.0] * count)
        assert torch.equal(drawn[-1], served[2]) and len(drawn) == count
    assert set(seen) == {BATCH}


def test_what_a_client_may_name(tmp_path):
    generator = built("stylegan2")
    directions = sefa(generator, 2)
    moves = moves_of(generator, directions, tmp_path)
    moves.check("m", [Move("a.safetensors", 1, 1.0)] * 2)
    for model, move in (("other", Move("a.safetensors", 0, 1.0)), ("m", Move("a.safetensors", 2, 1.0))):
        with pytest.raises(UsageError):
            moves.check(model, [move])
    assert moves.of("m") == [{"file": "a.safetensors", "space": "w", "names": list(directions.names)}]
    assert moves.of("other") == []
