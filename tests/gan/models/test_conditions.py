"""Checkpoints keep the vectors that images were trained for; folders go by their kimg."""

import torch

from gan.config import to_dict
from gan.models import checkpoint
from gan.sampling import choices, remember_conditions, remembered_conditions
from tests.gan.runs import generator_config


def write(folder, vectors=None):
    config = generator_config(c_dim=2)
    generator = config.build()
    remember_conditions(generator, vectors)
    described = {"kimg": 1.0, "generator": to_dict(config), "discriminator": {}, "run": {}, "data": {}}
    return checkpoint.write(folder, config=described, generator=generator, discriminator=None, card="")


def test_vectors_come_back(tmp_path):
    vectors = torch.tensor([[0.5, 1.0], [2.0, -1.0], [0.0, 3.0]])
    kept = checkpoint.read(write(tmp_path / "000001", vectors)).generator()
    assert torch.equal(remembered_conditions(kept), vectors) and choices(kept) == 3
    classes = checkpoint.read(write(tmp_path / "000002")).generator()
    assert remembered_conditions(classes) is None and choices(classes) == 2


def test_a_million_kimg_are_newer_than_less(tmp_path):
    for name in ("999999", "1000000", "999999.500"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    assert [p.name for p in checkpoint.folders(tmp_path)] == ["1000000", "999999.500", "999999"]
