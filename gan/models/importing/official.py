"""Snapshots of the StyleGAN2-ADA, StyleGAN3 and R3GAN code lines: stored networks -> our configs and weights.

What a network resolved its options to, as its parts say, goes before its constructor arguments, and these go
before the defaults of the code line: a snapshot may come from a version with other defaults.
"""

from collections.abc import Mapping
from typing import Any

from gan.foreign import printable
from gan.models.importing import published, records, storages
from gan.models.importing.records import Module
from gan.models.importing.storages import Network
from gan.models.importing.unpickler import Budget, Refused, UnknownGlobal, Unpickler, named

TENSORFLOW = ("dnnlib.tflib", "tfutil", "dnnlib.submission")
INPUT = "synthesis.input.freqs"  # of StyleGAN3's generator
ROLES = {"generator": ("G_ema", "G"), "discriminator": ("D",)}  # the first entry that is there
SPEED = {"num_fp16_res", "use_fp16", "fp16_channels_last", "fused_modconv_default"}  # the same images
OWN = {"z_dim": "z_dim", "w_dim": "w_dim", "c_dim": "c_dim"}
IMAGE = {"c_dim": "c_dim", "img_resolution": "resolution", "img_channels": "channels"}
WIDTHS = {"channel_base": "channel_base", "channel_max": "channel_max"}
MAPPING = {"num_layers": "layers"} | {
    name: name for name in ("embed_features", "layer_features", "activation", "lr_multiplier", "w_avg_beta")
}
BLOCK = {name: name for name in ("architecture", "activation", "conv_clamp", "resample_filter")}
STYLEGAN3 = {
    "num_layers": "layers",
    "num_critical": "critical",
    "margin_size": "margin",
    "use_radial_filters": "radial_filters",
    "magnitude_ema_beta": "magnitude_beta",
} | {
    name: name
    for name in (
        "first_cutoff",
        "first_stopband",
        "last_stopband_rel",
        "output_scale",
        "conv_kernel",
        "filter_size",
        "lrelu_upsampling",
        "conv_clamp",
    )
}


def networks(data: memoryview, budget: Budget) -> dict[str, Network]:
    """Generator (the averaged one, if there are two) and discriminator, as far as the snapshot has them."""
    try:
        content = storages.whole(Unpickler(data, records.known(budget), budget))
    except UnknownGlobal as error:
        if not error.module.startswith(TENSORFLOW):
            raise
        raise Refused(
            "it is a snapshot of the TensorFlow era (StyleGAN 1, StyleGAN2, ProGAN): convert it to .pkl with "
            "legacy.py of StyleGAN2-ADA-PyTorch or StyleGAN3 first, then give that file"
        ) from error
    if type(content) is not dict:
        raise Refused("it holds no mapping of networks: no snapshot of a known code line")
    found = {}
    for role, entries in ROLES.items():
        entry = next((name for name in entries if type(content.get(name)) is Module), None)
        if entry:
            found[role] = _network(content[entry], entry)
    if "generator" not in found:
        raise Refused(
            f"it holds {named(content)}, and no generator under G_ema or G: give the "
            "snapshot that the training program wrote, network-snapshot-*.pkl"
        )
    return found


def _network(module: Module, entry: str) -> Network:
    """Config and weights of one stored network. Refused if it is of no known family."""
    tensors = module.tensors()
    for sign, config in FAMILIES.items():
        if sign in tensors:
            synthesis = module.part("synthesis") if sign == INPUT else None
            parts = synthesis.group("_modules") if synthesis else {}
            layers = {name: part.state for name, part in parts.items() if type(part) is Module}
            return Network(config(module), tensors, entry, layers)
    if any("MainLayers." in name for name in tensors):
        return published.network(tensors, entry)
    raise Refused(
        f"its {printable(module.class_name)} is of another family than StyleGAN2, StyleGAN3 and R3GAN"
    )


def _stylegan2_generator(module: Module) -> dict[str, Any]:
    kwargs = dict(module.group("_init_kwargs"))
    ada = "synthesis_kwargs" in kwargs
    mapping = {"w_avg_beta": 0.995 if ada else 0.998} | renamed(_part(kwargs, "mapping_kwargs"), MAPPING)
    options = _part(kwargs, "synthesis_kwargs")
    names = BLOCK | WIDTHS | {"use_noise": "use_noise"}
    fields = {"conv_clamp": None if ada else 256.0} | renamed(kwargs, OWN | IMAGE | names)
    fields |= renamed(options, names)
    layer = "synthesis.b4.conv1"
    for name in ("activation", "use_noise", "conv_clamp"):
        _resolve(fields, name, module, layer, name)
    _resolve(fields, "architecture", module, "synthesis.b4", "architecture")
    return {"type": "stylegan2", **fields, "mapping": _mapping(module, mapping)}


def _stylegan2_discriminator(module: Module) -> dict[str, Any]:
    kwargs = dict(module.group("_init_kwargs"))
    mapping = renamed(_part(kwargs, "mapping_kwargs"), MAPPING)
    block = renamed(_part(kwargs, "block_kwargs"), BLOCK | {"freeze_layers": "freeze_layers"})
    epilogue = renamed(
        _part(kwargs, "epilogue_kwargs"),
        BLOCK | {"mbstd_group_size": "mbstd_group", "mbstd_num_channels": "mbstd_channels"},
    )
    names = IMAGE | WIDTHS | {name: name for name in ("architecture", "conv_clamp", "cmap_dim")}
    fields = epilogue | block | renamed(kwargs, names)
    side = fields.get("resolution")
    first = f"b{side}" if type(side) is int else ""
    for name in ("activation", "conv_clamp"):
        _resolve(fields, name, module, f"{first}.conv0", name)
    usual = fields.get("activation", "lrelu")
    if module.attribute("b4.fc", "activation", epilogue.get("activation", usual)) != usual:
        raise Refused("its discriminator's last block has another activation, which has no counterpart here")
    if "conv_clamp" not in fields:  # the code lines have different defaults, which only the parts tell apart
        raise Refused("its discriminator does not say its conv_clamp")
    _resolve(fields, "architecture", module, first, "architecture")
    _resolve(fields, "mbstd_group", module, "b4.mbstd", "group_size")
    _resolve(fields, "mbstd_channels", module, "b4.mbstd", "num_channels")
    return {"type": "stylegan2", **fields, "mapping": _mapping(module, mapping)}


def _stylegan3_generator(module: Module) -> dict[str, Any]:
    kwargs = dict(module.group("_init_kwargs"))
    mapping = {"layers": 2} | renamed(_part(kwargs, "mapping_kwargs"), MAPPING)
    options = _part(kwargs, "synthesis_kwargs")
    fields = {"magnitude_beta": 0.999} | renamed(kwargs, OWN | IMAGE | WIDTHS | STYLEGAN3)
    fields |= renamed(options, WIDTHS | STYLEGAN3)
    for name in ("num_layers", "num_critical", "margin_size", "output_scale"):
        _resolve(fields, STYLEGAN3[name], module, "synthesis", name)
    layers = module.part("synthesis")
    first = next(
        (name for name in (layers.group("_modules") if layers else ()) if name.startswith("L0_")), ""
    )
    for name in ("conv_kernel", "conv_clamp", "magnitude_ema_beta"):
        _resolve(fields, STYLEGAN3[name], module, f"synthesis.{first}", name)
    return {"type": "stylegan3", **fields, "mapping": _mapping(module, mapping)}


def _mapping(module: Module, fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a mapping network."""
    _resolve(fields, "layers", module, "mapping", "num_layers")
    _resolve(fields, "w_avg_beta", module, "mapping", "w_avg_beta")
    _resolve(fields, "activation", module, "mapping.fc0", "activation")
    _resolve(fields, "lr_multiplier", module, "mapping.fc0", "bias_gain")
    return {name: value for name, value in fields.items() if name != "w_avg_beta" or value is not None}


def _resolve(fields: dict[str, Any], field: str, module: Module, path: str, name: str) -> None:
    """Let an attribute of a part, where the snapshot has it, overrule `fields`."""
    missing = object()
    value = module.attribute(path, name, missing)
    if value is not missing:
        fields[field] = value


def _part(kwargs: dict[str, Any], name: str) -> dict[str, Any]:
    """Take nested constructor arguments out of `kwargs`."""
    found = kwargs.pop(name, {})
    if type(found) is not dict:
        raise Refused(f"it is damaged: its constructor argument {name} is no mapping")
    return found


def renamed(kwargs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Constructor arguments under our names, without those that only concern speed; Refused for others."""
    unknown = [key for key in kwargs if key not in names and key not in SPEED]
    if unknown:
        raise Refused(f"its constructor argument {printable(str(unknown[0]))} has no counterpart here")
    return {names[key]: value for key, value in kwargs.items() if key in names}


FAMILIES = {  # a weight that no other family has -> config
    "synthesis.b4.const": _stylegan2_generator,
    INPUT: _stylegan3_generator,
    "b4.out.weight": _stylegan2_discriminator,
}
