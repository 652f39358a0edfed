"""Adapter of the StyleGAN3 network files; how they are compared: see tests/golden/networks.py."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gan.models.importing.official import OWN, STYLEGAN3, WIDTHS
from gan.networks.stylegan3 import GeneratorConfig, MappingConfig
from tests.golden.case import Case, Comparison, Family
from tests.golden.networks import check, gradients, labels, parameter_gradients, path_length_values, stored
from tests.golden.stylegan2 import IMAGE, MAPPING, renamed


def generator_config(kwargs: dict) -> GeneratorConfig:
    """Our config for their constructor arguments; ValueError for one that has no counterpart."""
    top = {key: value for key, value in kwargs.items() if key != "mapping_kwargs"}
    fields = {"magnitude_beta": 0.999} | renamed(top, OWN | WIDTHS | STYLEGAN3 | IMAGE)
    mapping = {"layers": 2} | renamed(kwargs.get("mapping_kwargs", {}), MAPPING)
    return GeneratorConfig(**fields, mapping=MappingConfig(**mapping))


def check_generator(case: Case) -> Iterator[Comparison]:
    yield from check(case, generator_config(case.parameter("init_kwargs")), _values)


def _values(case: Case, G: nn.Module) -> dict[str, Tensor]:
    dtype = G.mapping.w_avg.dtype
    z, c = case.tensor("z", dtype).requires_grad_(), labels(case, "c", dtype)
    psi, cutoff = case.parameter("truncation_psi"), case.parameter("truncation_cutoff")
    ws, ws_trunc = G.mapping(z, c), G.mapping(z, c, psi=psi, psi_cutoff=cutoff)
    img = G.synthesis(ws)
    loss = (img * case.tensor("R", dtype)).sum()
    values = {
        "w": ws,
        "w_psi": G.mapping(z, c, psi=psi),
        "ws_trunc": ws_trunc,
        "img_const": img,
        "img_none": G.synthesis(ws, noise="none"),
        "img_trunc": G.synthesis(ws_trunc),
        "img_ws_rand": G.synthesis(case.tensor("ws_rand", dtype)),
        "loss": loss,
        **gradients(loss, {"grad_z": z} if c is None else {"grad_z": z, "grad_c": c}),
        **parameter_gradients("", loss, G),
        **(path_length_values(case, G) if "pl_z" in case else {}),
    }
    with torch.no_grad():  # last: these change buffers
        upright = G.synthesis.input.transform.clone()
        G.synthesis.input.transform.copy_(case.tensor("transform", dtype))
        values["img_transform"] = G.synthesis(case.tensor("ws_rand", dtype))
        G.synthesis.input.transform.copy_(upright)
        G.mapping.update_w_avg(ws[:, 0])
        values["img_update_emas"] = G.synthesis(ws, update_emas=True)
        values |= {
            f"ema/{name}": b for name, b in G.named_buffers() if name.endswith(("w_avg", "magnitude_ema"))
        }
    return stored(case, values)


FAMILIES = (
    Family(
        "StyleGAN3 generator",
        lambda case: case.meta.get("network") == "stylegan3 Generator",
        check_generator,
    ),
)
