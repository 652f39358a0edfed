"""The classifier that names the modes: a small CNN, trained on four digits of five tested on the fifth."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmarks.collapse.digits import StackedDigits, coverage_of, modes_of
from gan import randomness
from gan.files import atomic_bytes, atomic_write

EPOCHS, BATCH = 40, 64
SHIFT = 3  # pixels, at most, by which a digit is moved while training
FOLD = 5  # every fifth digit is held out
REALS = 26_000


@dataclasses.dataclass(frozen=True)
class Quality:
    """Accuracy on the held-out digits, on triples of them, and what 26,000 real triples score."""

    digits: float
    triples: float
    held_out: int
    real_modes: int
    real_kl: float


def network() -> nn.Sequential:
    """[N, 1, 32, 32] in [-1, 1] -> logits [N, 10]."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 4 * 4, 10))


def prepared(folder: Path, digits: np.ndarray, labels: np.ndarray) -> tuple[nn.Module, Quality]:
    """The classifier in eval mode on the CPU, and how good it is; trained if `folder` has none."""
    weights, report = folder / "classifier.safetensors", folder / "classifier.json"
    with randomness.kept():
        model = network().eval()
        if not (weights.is_file() and report.is_file()):
            fit(model, digits, labels)
            with atomic_write(weights) as temporary:
                save_file(model.state_dict(), temporary)
            quality = tested(model, digits, labels)
            atomic_bytes(report, json.dumps(dataclasses.asdict(quality), indent=2).encode())
    model.load_state_dict(load_file(weights))
    return model.requires_grad_(False), Quality(**json.loads(report.read_text(encoding="utf-8")))


def fit(model: nn.Module, digits: np.ndarray, labels: np.ndarray) -> None:
    """Train on the digits that are not held out; always the same way."""
    torch.manual_seed(0)
    kept = np.arange(len(digits)) % FOLD != 0
    x, y = scaled(digits[kept]), torch.from_numpy(labels[kept])
    for layer in model:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    steps = EPOCHS * len(x) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    model.train()
    for _ in range(steps):
        chosen = torch.randint(len(x), [BATCH])
        loss = F.cross_entropy(model(shifted(x[chosen])), y[chosen], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()


def tested(model: nn.Module, digits: np.ndarray, labels: np.ndarray) -> Quality:
    """Accuracy on the held-out digits and on all of their channels stacked, and the score of real triples."""
    held = np.arange(len(digits)) % FOLD == 0
    own = StackedDigits(digits[held], labels[held])
    every = StackedDigits(digits, labels)
    numbers = np.arange(REALS)
    with torch.inference_mode():
        right = model(scaled(digits[held])).argmax(1) == torch.from_numpy(labels[held])
    triples = named(model, own, numbers) == torch.from_numpy(own.modes(numbers))
    real = coverage_of(named(model, every, numbers))
    return Quality(
        digits=right.float().mean().item(),
        triples=triples.float().mean().item(),
        held_out=int(held.sum()),
        real_modes=int(real["modes"]),
        real_kl=real["kl"],
    )


def named(model: nn.Module, dataset: StackedDigits, numbers: np.ndarray) -> Tensor:
    """The classifier's classes of these images, int64 [N]."""
    images = (torch.from_numpy(np.stack([dataset.image(i) for i in part])) for part in np.split(numbers, 26))
    return torch.cat([modes_of(model, batch) for batch in images])


def scaled(digits: np.ndarray) -> Tensor:
    """uint8 [M, H, W] -> float [M, 1, H, W] in [-1, 1]."""
    return torch.from_numpy(digits).float()[:, None] / 127.5 - 1


def shifted(x: Tensor) -> Tensor:
    """Each image moved by up to SHIFT pixels both ways, the border repeated."""
    size, padded = x.shape[-1], F.pad(x, [SHIFT] * 4, mode="replicate")
    corners = torch.randint(2 * SHIFT + 1, [len(x), 2]).tolist()
    crops = [image[:, i : i + size, j : j + size] for image, (i, j) in zip(padded, corners, strict=True)]
    return torch.stack(crops)
