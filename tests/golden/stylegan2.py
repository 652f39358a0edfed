"""Adapters of the StyleGAN2 network files: images, logits and gradients of networks loaded by parameter name.

How they are compared: see tests/golden/networks.py.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gan.networks.stylegan2 import DiscriminatorConfig, GeneratorConfig, MappingConfig
from tests.golden.case import Case, Comparison, Family, FormatError
from tests.golden.networks import (
    check,
    gradients,
    labels,
    parameter_gradients,
    path_length_values,
    stored,
)
from training.losses.penalties import r1_penalty

# Their constructor arguments -> our fields.
IMAGE = {"img_resolution": "resolution", "img_channels": "channels"}
SHARED = {
    name: name
    for name in ("channel_base", "channel_max", "architecture", "activation", "resample_filter", "conv_clamp")
}
BLOCK = {name: name for name in ("activation", "resample_filter", "freeze_layers")}
EPILOGUE = {"mbstd_group_size": "mbstd_group", "mbstd_num_channels": "mbstd_channels"}
MAPPING = {"num_layers": "layers"} | {
    name: name for name in ("embed_features", "layer_features", "activation", "lr_multiplier", "w_avg_beta")
}
SPEED = ("num_fp16_res", "use_fp16", "fp16_channels_last", "fused_modconv_default")  # no effect on a CPU


def generator_config(kwargs: dict, ada: bool) -> GeneratorConfig:
    """Our config for one repository's constructor arguments; ValueError for one that has no counterpart.

    ada: defaults of the older repository, which nests what concerns synthesis in `synthesis_kwargs`.
    """
    own = {"z_dim": "z_dim", "w_dim": "w_dim", "c_dim": "c_dim"} | IMAGE
    synthesis = SHARED | {"use_noise": "use_noise"}
    top = {key: value for key, value in kwargs.items() if key not in ("mapping_kwargs", "synthesis_kwargs")}
    fields = {"conv_clamp": None if ada else 256.0}
    fields |= renamed(top, own | synthesis) | renamed(kwargs.get("synthesis_kwargs", {}), synthesis)
    mapping = {"w_avg_beta": 0.995 if ada else 0.998} | renamed(kwargs.get("mapping_kwargs", {}), MAPPING)
    return GeneratorConfig(**fields, mapping=MappingConfig(**mapping))


def discriminator_config(kwargs: dict, ada: bool) -> DiscriminatorConfig:
    """As `generator_config`; the discriminator's arguments nest the same way in both repositories."""
    nested = {"block_kwargs": BLOCK, "epilogue_kwargs": EPILOGUE}
    top = {key: value for key, value in kwargs.items() if key not in (*nested, "mapping_kwargs")}
    own = {key: value for key, value in SHARED.items() if key not in BLOCK}
    fields = {"conv_clamp": None if ada else 256.0}
    fields |= renamed(top, own | IMAGE | {"c_dim": "c_dim", "cmap_dim": "cmap_dim"})
    for key, names in nested.items():
        fields |= renamed(kwargs.get(key, {}), names)
    mapping = MappingConfig(**renamed(kwargs.get("mapping_kwargs", {}), MAPPING))
    return DiscriminatorConfig(**fields, mapping=mapping)


def check_generator(case: Case) -> Iterator[Comparison]:
    config = generator_config(case.parameter("init_kwargs"), _is_ada(case))
    yield from check(case, config, _generator_values)


def check_discriminator(case: Case) -> Iterator[Comparison]:
    config = discriminator_config(case.parameter("init_kwargs"), _is_ada(case))
    yield from check(case, config, _discriminator_values)


def _generator_values(case: Case, G: nn.Module) -> dict[str, Tensor]:
    dtype = G.mapping.w_avg.dtype
    z, c = case.tensor("z", dtype).requires_grad_(), labels(case, "c", dtype)
    psi, cutoff = case.parameter("truncation_psi"), case.parameter("truncation_cutoff")
    ws, ws_trunc = G.mapping(z, c), G.mapping(z, c, psi=psi, psi_cutoff=cutoff)
    img = G.synthesis(ws, noise="const")
    loss = (img * case.tensor("R", dtype)).sum()
    values = {
        "w": ws,
        "w_psi": G.mapping(z, c, psi=psi),
        "ws_trunc": ws_trunc,
        "img_const": img,
        "img_none": G.synthesis(ws, noise="none"),
        "img_trunc": G.synthesis(ws_trunc, noise="const"),
        "img_ws_rand": G.synthesis(case.tensor("ws_rand", dtype), noise="const"),
        "loss": loss,
        **gradients(loss, {"grad_z": z} if c is None else {"grad_z": z, "grad_c": c}),
        **parameter_gradients("", loss, G),
        **(path_length_values(case, G) if "pl_z" in case else {}),
    }
    with torch.no_grad():  # last: it changes w_avg
        G.mapping.update_w_avg(ws[:, 0])
        values["ema/mapping.w_avg"] = G.mapping.w_avg
        values["img_update_emas"] = G.synthesis(G.mapping(z, c), noise="const")
    return stored(case, values)


def _discriminator_values(case: Case, D: nn.Module) -> dict[str, Tensor]:
    dtype = D.b4.out.weight.dtype
    img = case.tensor("img", dtype).requires_grad_()
    logits = D(img, labels(case, "c", dtype))
    loss = (logits * case.tensor("R", dtype)).sum()
    values = {"logits": logits, **gradients(loss, {"grad_img": img}), **parameter_gradients("", loss, D)}
    if "r1_gamma" in case.meta:
        penalty = r1_penalty(img, logits)
        reg = penalty * (case.meta["r1_gamma"] / 2)
        values |= {"r1_penalty": penalty, "r1_reg": reg}
        values |= parameter_gradients("r1_", reg.mean() * case.parameter("r1_gain"), D)
    return stored(case, values)


def _is_ada(case: Case) -> bool:
    """Whose defaults hold: the older repository's, or the newer one's. FormatError for a third."""
    repo = case.parameter("repo")
    if repo not in ("ada", "sg3"):
        raise FormatError(f"case {case.name}: repo is {repo!r}, neither 'ada' nor 'sg3'")
    return repo == "ada"


def renamed(kwargs: dict, names: dict[str, str]) -> dict:
    """Constructor arguments under our names; ValueError for one that has no counterpart."""
    unknown = [key for key in kwargs if key not in names and key not in SPEED]
    if unknown:
        raise ValueError(f"no counterpart of the constructor argument {unknown[0]!r}")
    return {
        names[key]: tuple(value) if isinstance(value, list) else value
        for key, value in kwargs.items()
        if key in names
    }


FAMILIES = (
    Family("generator", lambda case: case.meta.get("network") == "stylegan2 Generator", check_generator),
    Family(
        "discriminator",
        lambda case: case.meta.get("network") == "stylegan2 Discriminator",
        check_discriminator,
    ),
)
