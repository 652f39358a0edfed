"""Models for tests of the page of `gan explore`: tiny and untrained, but different in every seed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gan.networks import sngan, stylegan2, stylegan3
from gan.networks.mapping import MappingConfig
from gan.web.explore.model import Model
from gan.web.explore.renderer import Renderer
from gan.web.explore.tab import Workshop
from gan.web.explore.work import JOBS

MAPPING = MappingConfig(layers=2)
SMALL = {"z_dim": 8, "w_dim": 8, "mapping": MAPPING}


def stylegan(resolution: int = 32, c_dim: int = 3, base: tuple[int, int] = (4, 4)) -> nn.Module:
    """StyleGAN2 with noise of strength 0.3."""
    config = stylegan2.GeneratorConfig(
        resolution=resolution, base=base, c_dim=c_dim, channel_base=256, channel_max=8, **SMALL
    )
    return _eval(config)


def stylegan3_t() -> nn.Module:
    """StyleGAN3, 32x32."""
    return _eval(stylegan3.GeneratorConfig(resolution=32, channel_base=256, channel_max=8, layers=6, **SMALL))


def plain() -> nn.Module:
    """SNGAN, which has no styles."""
    return _eval(sngan.GeneratorConfig())


def _eval(config: Any) -> nn.Module:
    torch.manual_seed(1)
    generator = config.build().eval().requires_grad_(False)
    for name, weight in generator.named_parameters():
        if name.endswith("noise_strength"):
            weight.fill_(0.3)
    if hasattr(config, "w_dim"):
        z = torch.randn(64, generator.z_dim)
        c = torch.eye(generator.c_dim)[torch.arange(64) % generator.c_dim] if generator.c_dim else None
        generator.mapping.w_avg.copy_(generator.mapping.w(z, c).mean(dim=0))
    return generator


def model(generator: nn.Module, name: str = "tiny", data: str | None = None) -> Model:
    """The model of a generator; its classes have names where it has three."""
    classes = ["apple", "tree", "dog"] if generator.c_dim == 3 else []
    return Model(Renderer(generator), name, "0123456789abcdef" * 4, classes, data)


@contextmanager
def workshop(*models: Any, jobs: Any = JOBS, folder: Path = Path("tuned")) -> Iterator[Workshop]:
    """What tabs of these models share; its threads end with the block."""
    with ThreadPoolExecutor(1) as drawing, ThreadPoolExecutor(1) as working:
        yield Workshop(models, jobs, drawing, working, folder)
