"""What a projection leaves in its folder, and how it goes on after a break.

    report.json            the request, and of each picture how near it was brought
    NAME.safetensors       ws [L, D] or z [D], c [K] where there is a condition, noise.0 ... of fitted maps
    NAME.png               the image that they give
    NAME-pair.png          the picture and that image, side by side
    NAME.gif, NAME.mp4     the way there, where it was asked for
    NAME-nearest.png       the nearest training images, where they were asked for
    tuned/                 a checkpoint, of pivotal tuning
    state.safetensors      of work that is not finished

Letters: C channels, H rows, W columns, L style inputs (layers), D latent size, K values of a condition.
"""

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gan.errors import UsageError, UserError
from gan.files import atomic_bytes, read_json, sha256
from gan.images import encode, encode_exactly, grid
from gan.jobs.sampling.recipe import elsewhere
from gan.models import card, checkpoint
from gan.models.weights import unreadable
from metrics.diversity import ssim
from training.data.decoding import decode

FORMAT = "1"  # of files of latents
REPORT, STATE, FRAMES, TUNED = "report.json", "state.safetensors", "frames", "tuned"


class ProjectionFolder:
    """The folder of one request. Raises UsageError where it holds what another one made."""

    def __init__(self, path: Path, request: Mapping[str, Any]) -> None:
        self.path = path
        self.report: dict[str, Any] = {"request": dict(request), "images": [], "finished": False}
        if (path / REPORT).is_file():
            found = read_json(path / REPORT, dict)
            given = found.get("request") or {}
            if differs := [key for key in request if given.get(key) != request[key]]:
                raise UsageError(
                    f"{path} holds another projection ({differs[0]} differs); give --out another name"
                )
            self.report = found
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"{path} exists already; give --out another name")

    def record(self, name: str) -> dict[str, Any] | None:
        """What the report says of a picture; None where it is not done."""
        return next((record for record in self.report["images"] if record["image"] == name), None)

    def keep(self, record: Mapping[str, Any]) -> None:
        """Add the record of a picture to the report, or replace the one of its name."""
        others = [each for each in self.report["images"] if each["image"] != record["image"]]
        self.report["images"] = [*others, dict(record)]

    def write(self) -> None:
        """The report as it is now."""
        text = json.dumps(self.report, indent=2, ensure_ascii=False, allow_nan=False)
        atomic_bytes(self.path / REPORT, f"{text}\n".encode())

    def save_state(self, stage: str, state: Mapping[str, Tensor]) -> None:
        """Keep what work goes on from; stage: which work it is."""
        tensors = {name: tensor.contiguous().cpu() for name, tensor in state.items()}
        atomic_bytes(self.path / STATE, save(tensors, {"stage": stage}))

    def state(self, stage: str) -> dict[str, Tensor] | None:
        """What was kept of that work; None where there is nothing."""
        if not (self.path / STATE).is_file():
            return None
        tensors, about = read_latents(self.path / STATE)
        return tensors if about.get("stage") == stage else None

    def drop_state(self) -> None:
        """Forget the state: its work is done."""
        (self.path / STATE).unlink(missing_ok=True)

    def add_frame(self, name: str, number: int, frame: Tensor) -> None:
        """Keep a picture [C, H, W] of the way."""
        atomic_bytes(self.path / FRAMES / name / f"{number:06d}.png", encode(frame, ".png"))

    def frames(self, name: str) -> Iterator[Tensor]:
        """The pictures of the way, in their order."""
        for path in sorted((self.path / FRAMES / name).glob("*.png")):
            yield torch.from_numpy(decode(path.read_bytes()))

    def finish(self) -> dict[str, Any]:
        """Write that all is done, remove the pictures of the ways; the report."""
        self.report["finished"] = True
        self.write()
        shutil.rmtree(self.path / FRAMES, ignore_errors=True)
        return self.report

    def write_images(self, name: str, picture: Tensor, image: Tensor, note: str) -> None:
        """Write an image, uint8 [C, H, W], and beside the picture that it is of. note: their metadata."""
        suffix, data = encode_exactly(image, note)
        atomic_bytes(self.path / f"{name}{suffix}", data)
        atomic_bytes(self.path / f"{name}-pair.png", encode(pair(picture, image), ".png", note))

    def note(self, name: str, model_sha256: str) -> str:
        """Metadata of the images and the video of a picture. model_sha256: of the model of its latents."""
        asked = self.report["request"]
        facts = {"model_sha256": model_sha256, "latents": f"{name}.safetensors"}
        facts |= {"picture_sha256": asked["pictures"][name]}
        return elsewhere("projected", facts | {key: asked[key] for key in ("distance", "settings", "tuning")})


def pair(picture: Tensor, image: Tensor) -> Tensor:
    """A picture and its image, uint8 [C, H, W], side by side -> [1 or 3, H, 2 * W]."""
    return grid(torch.stack([picture.cpu(), image.cpu()]), columns=2, padding=0)


def write_latents(path: Path, tensors: Mapping[str, Tensor], model_sha256: str) -> None:
    """Write ws or z, and what goes with them; model_sha256: of the generator that they are for."""
    about = {"format": FORMAT, "model_sha256": model_sha256}
    atomic_bytes(path, save({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, about))


def read_latents(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors of a safetensors file, on the CPU, and what it says of them. UserError where it is none."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UserError(unreadable(path, error)) from error


def likeness(picture: Tensor, image: Tensor) -> dict[str, float | None]:
    """psnr, in dB (None where they are equal), and ssim of two uint8 images [C, H, W]."""
    error = (picture.double() - image.double()).square().mean().item()
    return {
        "psnr": round(10 * math.log10(255**2 / error), 3) if error else None,
        "ssim": round(ssim(picture[None], image[None]).item(), 4),
    }


def write_tuned(
    folder: Path, generator: nn.Module, saved: checkpoint.Checkpoint, count: int, steps: int
) -> str:
    """Write a tuned generator as a checkpoint that any command reads; returns the sha256 of its weights.

    saved: the checkpoint that it comes from. count: pictures that it was tuned to.
    """
    before = sha256(saved.path / "generator.safetensors")
    config = {key: value for key, value in saved.config.items() if key != "discriminator"}
    origin = [
        f"Tuned to {count} given picture(s) by pivotal tuning (Roich et al. 2021), {steps} steps, from the "
        f"generator with sha256 {before}",
        "Scores of that generator do not hold for this one, and the pictures may have rights of their own",
    ]
    config["origin"] = [*(config.get("origin") or ()), *origin]
    text = card.build(
        config,
        image_shape=generator.image_shape,
        parameters={"generator": sum(p.numel() for p in generator.parameters())},
    )
    checkpoint.write(folder, config=config, generator=generator, discriminator=None, card=text)
    return sha256(folder / "generator.safetensors")


def summary(report: Mapping[str, Any], out: str | Path) -> str:
    """A line for each picture, and where all is."""
    records = report["images"]
    width = max(len(record["image"]) for record in records)
    lines = [
        f"{record['image']:<{width}}  PSNR {_shown(record['psnr'])} dB  SSIM {record['ssim']:.3f}  "
        f"distance {record['distance']:.4g}  {record['from_mean']:.2f} sigma from the mean"
        for record in records
    ]
    lines.append(f"wrote latents, images and report.json of {len(records)} picture(s) to {out}")
    if report.get("tuned_sha256"):
        lines.append(f"next: gan sample {Path(out) / TUNED} --out grid.png")
    return "\n".join(lines)


def _shown(psnr: float | None) -> str:
    return "inf" if psnr is None else f"{psnr:.2f}"
