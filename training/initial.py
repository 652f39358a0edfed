"""A run that starts from the weights of another model: what is taken, and what is refused."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from torch import nn

from gan import files
from gan.config import assignment, to_dict
from gan.errors import UserError
from gan.models import checkpoint, seen
from gan.models.transfer import Report, paired, transfer
from gan.networks.reparametrize import merged, settle
from training.state import TrainState

LEAST = 0.1  # a generator of whose layers less than this fits has other widths: nothing to start from
REPARAMETRIZED = ("spectral_norm", "lora_rank")  # where these differ, the model's are merged first
NOT_LAYERS = ("mapping.", "noise_const")  # these may fit whatever the layers are
OF_DATA = ("resolution", "base", "channels", "c_dim")  # settings that follow from the images; may differ
THAW = {"generator": "set generator.lora_rank to 0", "discriminator": "lower discriminator.freeze_layers"}


def start_from(state: TrainState, model: str, classes: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Give the networks of a fresh state the weights of `model`: a record of it, and lines for people.

    Generator and weight average both start as the model's weight average, which draws its images, and which
    every model has. Optimisers and counters start anew. A discriminator of another architecture, or missing
    from the model, stays as it was initialised. classes: names of the data's classes, [] without labels.

    Raises UserError, with the remedy, if there is no model, if its generator is of another architecture or
    other widths, or if layers that do not train would stay random.
    """
    saved = checkpoint.read(checkpoint.resolve(model))
    pairs = paired(list(classes), saved.config.get("data", {}).get("classes") or [])
    networks = {"generator": (state.generator, state.ema), "discriminator": (state.discriminator,)}
    reports: dict[str, Report] = {}
    notes = [f"starting from {saved.path}, {saved.kimg:g} kimg"]
    for role, targets in networks.items():
        if reason := _unlike(saved, role, to_dict(getattr(state.config, role))):
            if role == "generator":
                raise UserError(f"cannot start from {saved.path}: {reason}; choose a preset that it fits")
            notes.append(f"{role}: new, for {reason}")
            continue
        old, ours = getattr(saved, role)(), getattr(state.config, role)
        if any(getattr(ours, name, None) != saved.config[role].get(name) for name in REPARAMETRIZED):
            old = merged(old)
        weights, report = transfer(targets[0].state_dict(), old.state_dict(), pairs)
        _check(saved, role, report, targets[0], to_dict(getattr(state.config, role)))
        for target in targets:
            target.load_state_dict(weights)
            settle(target)
        reports[role] = report
        notes += report.lines(role)
    record = {
        "model": model,
        "kimg": saved.kimg,
        "origin": [*saved.config.get("origin", []), _origin(saved)],
        "features_seen": seen.of_config(saved.config) or [],
        **{role: asdict(report) for role, report in reports.items()},
    }
    return record, notes


def _unlike(saved: checkpoint.Checkpoint, role: str, config: Mapping[str, Any]) -> str | None:
    """Why this network of the model is no start for one of that config; None if it may be."""
    if not (saved.path / f"{role}.safetensors").is_file():
        return f"the model has no {role}"
    theirs, ours = saved.config.get(role, {}).get("type"), config["type"]
    return None if theirs == ours else f"its {role} is a {theirs} and this run trains a {ours}"


def _check(
    saved: checkpoint.Checkpoint, role: str, report: Report, network: nn.Module, ours: Mapping[str, Any]
) -> None:
    """UserError if hardly anything fits, or if what does not train came from nowhere."""
    if role == "generator" and _share(network, report) < LEAST:
        theirs = saved.config[role]
        other = [
            f"--set {shlex.quote(assignment(f'{role}.{key}', theirs[key]))}"
            for key in ours
            if key in theirs and theirs[key] != ours[key] and key not in OF_DATA
        ]
        raise UserError(
            f"cannot start from {saved.path}: hardly a weight of its generator fits this run's; "
            f"take its settings: {' '.join(other) or 'resolution and channels'}"
        )
    buffers = {name for name, _ in network.named_buffers()}
    random = [n for n in report.new if n in buffers and n.endswith(("weight", "bias", "original", ".const"))]
    if random:
        more = f" and {len(random) - 3} more" if len(random) > 3 else ""
        raise UserError(
            f"{', '.join(random[:3])}{more} of the {role} would not train, and {saved.path} has no values "
            f"for them: {THAW[role]}"
        )


def _share(network: nn.Module, report: Report) -> float:
    """How much of the layers that make the image came from the model, from 0 to 1."""
    sizes = {
        name: tensor.numel()
        for name, tensor in network.state_dict().items()
        if name not in report.filters and not any(part in name for part in NOT_LAYERS)
    }
    found = sum(sizes.get(name, 0) for name in [*report.taken, *report.adapted])
    return found / max(sum(sizes.values()), 1)


def _origin(saved: checkpoint.Checkpoint) -> str:
    """One line for the card."""
    data = saved.config.get("data", {})
    digest = files.sha256(saved.path / "generator.safetensors")
    name, licence = data.get("name") or "unknown data", data.get("licence") or "unknown"
    return (
        f"Started from a {saved.config['generator']['type']} trained on {name} (licence {licence}) for "
        f"{saved.kimg:g} kimg; sha256 of its weights {digest}"
    )
