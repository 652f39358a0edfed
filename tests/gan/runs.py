"""A run directory with one checkpoint of an untrained 16x16 model, for tests of what reads runs."""

from collections.abc import Sequence
from pathlib import Path

from gan import config
from gan.models import checkpoint
from gan.networks.stylegan2 import DiscriminatorConfig, GeneratorConfig, MappingConfig


def generator_config(c_dim: int = 0) -> GeneratorConfig:
    mapping = MappingConfig(layers=2)
    return GeneratorConfig(
        resolution=16, z_dim=8, w_dim=8, c_dim=c_dim, channel_base=128, channel_max=8, mapping=mapping
    )


def write_run(folder: Path, classes: Sequence[str] = ()) -> Path:
    """Make it at `folder`, as training leaves it after 12 kimg; returns the folder.

    classes: of the generator, which then is conditional.
    """
    generator = generator_config(len(classes))
    discriminator = DiscriminatorConfig(resolution=16, channel_base=128, channel_max=8)
    data = {
        "kimg": 12.0,
        "generator": config.to_dict(generator),
        "discriminator": config.to_dict(discriminator),
        "run": {},
        "data": {"name": "tiny", "sha256": "", "classes": list(classes), "licence": None},
    }
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text("{}\n")
    checkpoint.write(
        folder / "checkpoints" / "000012",
        config=data,
        generator=generator.build(),
        discriminator=discriminator.build(),
        training_tensors={},
        training_state={},
        card="",
    )
    return folder
