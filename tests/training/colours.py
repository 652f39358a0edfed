"""A data set and networks that show every exchange of labels: a pure colour a class, half as bright if fake.

Class k has its colour in channel k of three and nothing in the others, whatever the brightness.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from gan.config import override
from gan.networks import ARCHITECTURES, Architecture
from tests.training.tiny import tiny_state
from training.config import RunConfig
from training.state import TrainState

NAMES = ("red", "green", "blue")
RGB = {"red": (255, 128, 128), "green": (128, 255, 128), "blue": (128, 128, 255)}  # in [-1, 1]: 1 and 0
COUNTS = {"red": 8, "green": 2, "blue": 6}  # all different, so that a share tells the class
SIDE = 8
BATCH = 8
# A run of two steps of 8 images with a checkpoint after each.
SETTINGS = (
    "generator={type: coloured}",
    "discriminator={type: coloured}",
    "data.conditional=true",
    f"batch={BATCH}",
    "kimg=0.016",
    "tick_kimg=0.008",
    "snapshot_ticks=1",
    "health.images=0",
    "loss.r1_gamma=1",
)


def classes_of(images: torch.Tensor) -> torch.Tensor:
    """[N, 3, H, W] -> class [N], of pure colours of any brightness, also negative ones."""
    return images.detach().float().abs().mean(dim=(2, 3)).argmax(dim=1)


def brightness_of(images: torch.Tensor) -> torch.Tensor:
    """[N, 3, H, W] -> [N]: the largest value."""
    return images.detach().float().amax(dim=(1, 2, 3))


def reals_of(c: torch.Tensor) -> torch.Tensor:
    """Images of brightness 1 of the classes c [N, 3]."""
    return c[:, :, None, None].expand(-1, -1, SIDE, SIDE).clone()


@dataclass(frozen=True, kw_only=True)
class Coloured:
    """Config of both networks."""

    type: str = "coloured"
    resolution: int = SIDE
    channels: int = 3
    c_dim: int = 3


@dataclass(frozen=True, kw_only=True)
class PainterConfig(Coloured):
    """styles: whether it has a style space, whose first values are the label.

    start: brightness at first.  learns: the colours instead of the brightness, from black on.
    """

    z_dim: int = 4
    w_dim: int = 7
    styles: bool = False
    start: float = 0.5
    learns: bool = False

    def build(self) -> nn.Module:
        return Styled(self) if self.styles else Painter(self)


@dataclass(frozen=True, kw_only=True)
class CriticConfig(Coloured):
    """Config of the discriminator."""

    def build(self) -> nn.Module:
        return Critic()


class Painter(nn.Module):
    """G(z, c): the colour of c, in the column of its class."""

    num_ws, resolution, channels, image_shape = 0, SIDE, 3, (3, SIDE, SIDE)

    def __init__(self, config: PainterConfig):
        super().__init__()
        self.config, self.z_dim, self.c_dim = config, config.z_dim, config.c_dim
        self.embed = nn.Module()
        table = torch.zeros(3, self.c_dim) if config.learns else torch.eye(3, max(self.c_dim, 1))
        self.embed.weight = nn.Parameter(table)
        self.brightness = nn.Parameter(torch.tensor(1.0 if config.learns else config.start))
        if config.learns:
            del self.brightness
            self.register_buffer("brightness", torch.tensor(1.0))

    def forward(self, z: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        colour = self.brightness * (c @ self.embed.weight.T)
        return colour[:, :, None, None].expand(-1, -1, SIDE, SIDE)


class Labels(nn.Module):
    """A mapping network that hands on what it gets: ws = [c, z]."""

    def forward(self, z: torch.Tensor, c: torch.Tensor, psi: float = 1, psi_cutoff: int | None = None):
        return torch.cat([c, z], dim=1)[:, None].repeat(1, 2, 1)

    def update_w_avg(self, w: torch.Tensor) -> None:
        """There is no running mean."""


class Styled(Painter):
    """The same with a style space."""

    num_ws, w_dim = 2, 7

    def __init__(self, config: PainterConfig):
        super().__init__(config)
        self.mapping = Labels()

    def synthesis(self, ws: torch.Tensor, noise: str = "const", update_emas: bool = False) -> torch.Tensor:
        return super().forward(ws[:, 0, 3:], ws[:, 0, :3])

    def forward(self, z: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return self.synthesis(self.mapping(z, c))


class Critic(nn.Module):
    """D(x, c) = <mean colour of x, row of c>: linear, of known slopes. Keeps what it was shown."""

    c_dim, resolution, channels, image_shape = 3, SIDE, 3, (3, SIDE, SIDE)

    def __init__(self):
        super().__init__()
        self.rows = nn.Parameter(torch.diag(torch.tensor([1.0, 2.0, 4.0])))
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        self.seen.append((x.detach().clone(), c.detach().clone()))
        return (x.mean(dim=(2, 3)) * (c @ self.rows)).sum(dim=1, keepdim=True)


def add_architecture(patch) -> None:
    """List the networks above as `coloured`, within a pytest.MonkeyPatch."""
    patch.setitem(ARCHITECTURES, "coloured", Architecture(PainterConfig, CriticConfig))


def coloured_state(*assignments: str, styles: bool = True) -> TrainState:
    """A state of these networks, with a batch of 8; the weights hardly move."""
    state = tiny_state("discriminator.mbstd_group=1", f"batch={BATCH}", *assignments, classes=3)
    state.generator = PainterConfig(styles=styles).build().requires_grad_(False)
    state.discriminator = Critic().requires_grad_(False)
    state.optimizer_g = torch.optim.Adam(state.generator.parameters(), lr=1e-6)
    state.optimizer_d = torch.optim.Adam(state.discriminator.parameters(), lr=1e-6)
    return state


def run_config(path: Path, *assignments: str) -> RunConfig:
    """A run of `SETTINGS` on the data at `path`."""
    return override(RunConfig(preset="coloured"), [f"data.path={path}", *SETTINGS, *assignments])


def write_zip(path: Path, names: tuple[str, ...] = NAMES) -> Path:
    """COUNTS images of each class, in turn as far as there are; classes are numbered as in `names`."""
    order = [name for i in range(max(COUNTS.values())) for name in names if i < COUNTS[name]]
    labels = []
    with zipfile.ZipFile(path, "w") as archive:
        for i, name in enumerate(order):
            buffer = io.BytesIO()
            Image.new("RGB", (SIDE, SIDE), RGB[name]).save(buffer, format="PNG")
            archive.writestr(f"{i:03d}.png", buffer.getvalue())
            labels.append([f"{i:03d}.png", names.index(name)])
        archive.writestr("dataset.json", json.dumps({"labels": labels, "classes": list(names)}))
    return path
