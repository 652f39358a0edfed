"""Golden networks as official snapshots: their state dicts, with the attributes that their parts had."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests import snapshots
from tests.golden import case, stylegan2, stylegan3
from tests.golden.case import Case

HERE = Path(__file__).parent / "golden"
FULL = Path(os.environ.get("GAN_GOLDEN", HERE.parents[2] / "shared" / "golden"))


def path(name: str) -> Path:
    """The full golden file where it is at hand, else the shipped one."""
    return FULL / name if (FULL / name).is_file() else HERE / name


def cases(*files: str) -> Iterator[Case]:
    """All cases of golden files; of the full files where they are there."""
    for name in files:
        yield from (each for each in case.read(path(name)) if each.below("sd/"))


def network(golden: Case, last: str = "C", changed: dict | None = None) -> snapshots.Call:
    """The network of a case.

    last: "C", or "F" to store the axes of 3x3 weights with the channels last in memory.  changed: attributes
    of every layer that has them.
    """
    tensors = {name: value.numpy() for name, value in golden.below("sd/").items()}
    if last == "F":
        tensors = {name: _channels_last(value) for name, value in tensors.items()}
    kind, kwargs = golden.meta["network"], golden.meta["init_kwargs"]
    ada = golden.meta["repo"] == "ada"
    if kind == "stylegan3 Generator":
        attributes = _stylegan3(golden)
    elif kind == "stylegan2 Generator":
        attributes = _stylegan2(tensors, stylegan2.generator_config(kwargs, ada))
    else:
        attributes = _discriminator(tensors, stylegan2.discriminator_config(kwargs, ada))
    for values in attributes.values():
        values.update({name: value for name, value in (changed or {}).items() if name in values})
    given = {
        key: snapshots.easy_dict(value) if isinstance(value, dict) else value for key, value in kwargs.items()
    }
    return snapshots.tree(tensors, golden.meta["kinds"], attributes, given, kind.split()[1])


def _channels_last(value: np.ndarray) -> np.ndarray:
    if value.ndim != 4:
        return value
    return np.ascontiguousarray(value.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def _linear(tensors: dict, path: str, activation: str, lr: float) -> dict:
    fan_in = tensors[f"{path}.weight"].shape[1]
    return {"activation": activation, "weight_gain": np.float64(lr / fan_in**0.5), "bias_gain": lr}


def _mapping(tensors: dict, config, **more) -> dict[str, dict]:
    parts = {
        f"mapping.fc{i}": _linear(tensors, f"mapping.fc{i}", config.activation, config.lr_multiplier)
        for i in range(config.layers)
        if f"mapping.fc{i}.weight" in tensors
    }
    return parts | ({"mapping": {"num_layers": config.layers, **more}} if parts else {})


def _stylegan2(tensors: dict, config) -> dict[str, dict]:
    found = _mapping(tensors, config.mapping, w_avg_beta=config.mapping.w_avg_beta)
    for name in tensors:
        path, _, leaf = name.rpartition(".")
        if leaf == "weight" and path.endswith(("conv0", "conv1")):
            found[path] = {
                "up": 2 if path.endswith("conv0") else 1,
                "activation": config.activation,
                "act_gain": np.float64(2**0.5),
                "conv_clamp": config.conv_clamp,
                "use_noise": config.use_noise,
            }
            block = path.rpartition(".")[0]
            found[block] = {"architecture": config.architecture, "use_fp16": np.bool_(False)}
    return found


def _discriminator(tensors: dict, config) -> dict[str, dict]:
    found = _mapping(tensors, config.mapping, w_avg_beta=None)
    for name in tensors:
        path, _, leaf = name.rpartition(".")
        if leaf == "weight" and path.endswith(("conv0", "conv1")):
            found[path] = {"activation": config.activation, "conv_clamp": config.conv_clamp}
            found[path.rpartition(".")[0]] = {"architecture": config.architecture}
    found["b4.fc"] = _linear(tensors, "b4.fc", config.activation, 1.0)
    if config.mbstd_channels:
        found["b4.mbstd"] = {"group_size": config.mbstd_group, "num_channels": config.mbstd_channels}
    return found


def _stylegan3(golden: Case) -> dict[str, dict]:
    config = stylegan3.generator_config(golden.meta["init_kwargs"])
    tensors = golden.below("sd/")
    found = _mapping(tensors, config.mapping, w_avg_beta=config.mapping.w_avg_beta)
    bands = config.bands()
    for index, band in enumerate(bands):
        name = f"L{index}_{band.size}_{band.channels}"
        found[f"synthesis.{name}"] = {
            "is_torgb": index == config.layers,
            "use_fp16": np.bool_(False),
            "out_size": np.array([band.size, band.size]),
            "out_cutoff": np.float64(band.cutoff),
            "out_half_width": np.float64(band.half_width),
            "out_sampling_rate": np.float64(band.rate),
            "conv_kernel": 1 if index == config.layers else config.conv_kernel,
            "conv_clamp": config.conv_clamp,
            "magnitude_ema_beta": config.magnitude_beta,
        }
    found["synthesis.input"] = {
        "size": np.array([bands[0].size] * 2),
        "sampling_rate": np.float64(bands[0].rate),
        "bandwidth": np.float64(bands[0].cutoff),
    }
    found["synthesis"] = {
        "num_layers": config.layers,
        "num_critical": config.critical,
        "margin_size": config.margin,
        "output_scale": config.output_scale,
    }
    return found


def r3gan(file: str, role: str = "G", inside: str = "") -> tuple[dict, snapshots.Call]:
    """The numbers of an R3GAN file, and one of its networks; `inside`: the name of a module around it."""
    with np.load(path(file)) as stored:
        numbers = {key: stored[key] for key in stored.files}
    tensors = {f"{inside}{k[2:]}": v.astype("f4") for k, v in numbers.items() if k.startswith(f"{role}/")}
    kinds = {name: "buffer" if name.endswith("Kernel") else "parameter" for name in tensors}
    return numbers, snapshots.tree(tensors, kinds, {}, {"c_dim": 0}, role)
