"""A published snapshot -> a checkpoint folder: configs checked, weights matched by name and shape.

Nothing of a size that a file merely claims is ever made: the numbers in configs are bounded, and networks are
built without memory (on torch's meta device) and compared with the tensors that are really there.
"""

import math
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from gan import config as configs
from gan import files, foreign, shapes
from gan.errors import UsageError, UserError
from gan.foreign import printable
from gan.models import card, checkpoint, limits
from gan.models.importing import community, official
from gan.models.importing.storages import Network
from gan.models.importing.unpickler import Budget, Refused
from gan.models.weights import misfit
from gan.networks import discriminator_config, generator_config

MAX_FILE = 16 * 2**30  # bytes
HIGHEST = 2**20  # number in a config
CONFIGS: dict[str, Callable[[str], Any]] = {
    "generator": generator_config,
    "discriminator": discriminator_config,
}


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was written. networks: role -> type and entry of the file."""

    folder: Path
    sha256: str
    image_shape: tuple[int, int, int]
    networks: dict[str, tuple[str, str]]
    notes: list[str]


@dataclass(frozen=True)
class _Built:
    """A network with its weights, and its config."""

    config: Any
    network: nn.Module
    entry: str


def convert(path: str | Path, out: str | Path, licence: str | None = None) -> Imported:
    """Write the checkpoint folder `out` from a snapshot, and say what it holds.

    licence: of the weights, for the card. Raises UserError, naming `path`, for a file that is damaged,
    unsafe or of no known layout, and where `out` exists; then nothing is written.
    """
    path, out = Path(path), Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists already: give --out another name, or remove it first")
    if not path.is_file():
        raise UserError(f"no file at {path}: give a snapshot, .pkl or .pt")
    if (size := path.stat().st_size) > MAX_FILE:
        raise UserError(f"cannot import {path}: it has {size:,} bytes, more than {MAX_FILE:,}")
    if found := _foreign(path):
        raise UserError(f"cannot import {path}: it {found}")
    digest = files.sha256(path)
    try:
        with path.open("rb") as file:
            budget = Budget(size)
            found, notes = _networks(file, size, budget)
            built = {role: _built(role, network, budget) for role, network in found.items()}
    except Refused as error:
        raise UserError(f"cannot import {path}: {error}") from error
    return _written(path, out, digest, built, notes, licence)


def _foreign(path: Path) -> str | None:
    """What a file is that is no snapshot, with the remedy."""
    if found := foreign.stand_in(path) or foreign.cut_short(path):
        return found
    kind = foreign.kind(path)
    if kind in (None, "a zip archive", "a pickle"):
        return None
    return f"is {kind}, not a snapshot: give the .pkl or .pt file itself"


def _networks(file: BinaryIO, size: int, budget: Budget) -> tuple[dict[str, Network], list[str]]:
    """role -> network, and remarks for the card, by the layout that the first bytes tell."""
    if file.read(4) == b"PK\x03\x04":
        return community.read_archive(file, size, budget)
    file.seek(0)
    data = bytearray(size)
    if file.readinto(data) != size:
        raise Refused("it changes while it is read")
    view = memoryview(data).toreadonly()
    if community.is_legacy(view):
        return community.read_legacy(view, budget)
    return official.networks(view, budget), []


def _built(role: str, found: Network, budget: Budget) -> _Built:
    """The network that the config describes, with the file's weights; Refused unless they fit exactly."""
    problem = f"its {role} ({found.entry}) has a config that"
    try:
        limits.check(found.config, 0, HIGHEST)
        config = configs.from_dict(CONFIGS[role](found.config["type"]), found.config, role)
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("error", RuntimeWarning)  # of filters that are no numbers
            limits.check_filters(config)
            _check_plan(config, found)
            network = config.build()
    except (UsageError, ValueError, ArithmeticError, RuntimeError, RuntimeWarning, TypeError) as error:
        raise Refused(f"{problem} makes no network: {printable(str(error))}") from error
    _check_fit(role, network, found)
    state = {name: torch.from_numpy(weight.array(budget)) for name, weight in found.weights.items()}
    network.load_state_dict(state, assign=True)
    return _Built(config, network, found.entry)


def _check_plan(config: Any, found: Network) -> None:
    """Refused where a layer of StyleGAN3 says another cut-off or rate than its config leads to."""
    for index, band in enumerate(config.bands() if found.plan else ()):
        name = f"L{index}_{band.size}_{band.channels}"
        for what, ours in (
            ("cutoff", band.cutoff),
            ("half_width", band.half_width),
            ("sampling_rate", band.rate),
        ):
            theirs = found.plan.get(name, {}).get(f"out_{what}", ours)
            if type(theirs) not in (int, float) or not math.isclose(theirs, ours, rel_tol=1e-6):
                raise Refused(f"its layer {name} has another {what} than its options lead to")


def _check_fit(role: str, network: nn.Module, found: Network) -> None:
    """Refused unless names and shapes are those of the network."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    given = {name: tuple(weight.shape) for name, weight in found.weights.items()}
    if differs := misfit(wanted, given):
        raise Refused(f"its {role} ({found.entry}) does not fit its own config: {differs}")


def _written(
    path: Path, out: Path, digest: str, built: dict[str, _Built], notes: Iterable[str], licence: str | None
) -> Imported:
    settings = {role: configs.to_dict(each.config) for role, each in built.items()}
    networks = {role: (settings[role]["type"], each.entry) for role, each in built.items()}
    entries = " and ".join(f"{entry} as {role}" for role, (_, entry) in networks.items())
    stated = f"stated at import: {printable(licence)}" if licence else "ask whoever published the file"
    origin = [
        f"Imported by `gan convert` from {printable(path.name)} (sha256 {digest}), {entries}",
        f"The licence of the weights is that of their source; {stated}",
        *notes,
    ]
    generator, kimg = built["generator"], _kimg(path)
    if kimg is None:
        origin.append("Training length: unknown; 0 kimg stands for it here")
    config = {
        "kimg": kimg or 0.0,
        **settings,
        "run": {},
        "data": {"name": "", "sha256": "", "classes": [], "licence": ""},
        "origin": origin,
    }
    image_shape = shapes.image_shape(generator.config)
    text = card.build(
        config,
        image_shape=image_shape,
        parameters={role: sum(p.numel() for p in each.network.parameters()) for role, each in built.items()},
    )
    checkpoint.write(
        out,
        config=config,
        generator=generator.network,
        discriminator=built["discriminator"].network if "discriminator" in built else None,
        card=text,
    )
    return Imported(folder=out, sha256=digest, image_shape=image_shape, networks=networks, notes=list(notes))


def _kimg(path: Path) -> float | None:
    """Training length by the usual name of a snapshot, network-snapshot-NNNNNN; None where it is unknown."""
    match = re.search(r"network-snapshot-(\d{6,9})\b", path.name)
    return float(match[1]) if match else None
