"""Adapters of the StyleGAN2 network files: images, logits and gradients of networks loaded by parameter name.

Everything is evaluated twice: in float64 (the stored float32 parameters promoted) and in float32. float64
tells whether the mathematics agree, float32 whether rounding stays what it has to be.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from gan.stylegan2 import DiscriminatorConfig, GeneratorConfig, MappingConfig
from tests.golden.case import Case, Comparison, Family, FormatError, relative_error
from training.losses.penalties import path_length, r1_penalty

EXACT = 1e-6  # relative, float64
ROUNDED = 2e-5  # relative, float32; or twice the rounding that the file lists for the array, if that is more

STATISTICS = ("grad_stats", "pl_grad_stats", "r1_grad_stats")

# What the stored path length values were computed with.
PATH_MEAN, PATH_DECAY, PATH_WEIGHT, PATH_GAIN = 0.25, 0.01, 2.0, 4.0

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

Config = GeneratorConfig | DiscriminatorConfig
Values = Callable[[Case, nn.Module], dict[str, Tensor]]


def generator_config(kwargs: dict, ada: bool) -> GeneratorConfig:
    """Our config for one repository's constructor arguments; ValueError for one that has no counterpart.

    ada: defaults of the older repository, which nests what concerns synthesis in `synthesis_kwargs`.
    """
    own = {"z_dim": "z_dim", "w_dim": "w_dim", "c_dim": "c_dim"} | IMAGE
    synthesis = SHARED | {"use_noise": "use_noise"}
    top = {key: value for key, value in kwargs.items() if key not in ("mapping_kwargs", "synthesis_kwargs")}
    fields = {"conv_clamp": None if ada else 256.0}
    fields |= _renamed(top, own | synthesis) | _renamed(kwargs.get("synthesis_kwargs", {}), synthesis)
    mapping = {"w_avg_beta": 0.995 if ada else 0.998} | _renamed(kwargs.get("mapping_kwargs", {}), MAPPING)
    return GeneratorConfig(**fields, mapping=MappingConfig(**mapping))


def discriminator_config(kwargs: dict, ada: bool) -> DiscriminatorConfig:
    """As `generator_config`; the discriminator's arguments nest the same way in both repositories."""
    nested = {"block_kwargs": BLOCK, "epilogue_kwargs": EPILOGUE}
    top = {key: value for key, value in kwargs.items() if key not in (*nested, "mapping_kwargs")}
    own = {key: value for key, value in SHARED.items() if key not in BLOCK}
    fields = {"conv_clamp": None if ada else 256.0}
    fields |= _renamed(top, own | IMAGE | {"c_dim": "c_dim", "cmap_dim": "cmap_dim"})
    for key, names in nested.items():
        fields |= _renamed(kwargs.get(key, {}), names)
    mapping = MappingConfig(**_renamed(kwargs.get("mapping_kwargs", {}), MAPPING))
    return DiscriminatorConfig(**fields, mapping=mapping)


def check_generator(case: Case) -> Iterator[Comparison]:
    config = generator_config(case.parameter("init_kwargs"), _is_ada(case))
    yield from _check(case, config, _generator_values)


def check_discriminator(case: Case) -> Iterator[Comparison]:
    config = discriminator_config(case.parameter("init_kwargs"), _is_ada(case))
    yield from _check(case, config, _discriminator_values)


def _check(case: Case, config: Config, values: Values) -> Iterator[Comparison]:
    """Every value in float64; all but the gradient statistics in float32 as well.

    The statistics sum many gradient entries of both signs, which float32 rounds by far more than
    its result is large; the files list no float32 error for them.
    """
    for name, got in values(case, _load(case, config, torch.float64)).items():
        yield Comparison(name, _error(case, name, got), EXACT, "float64")
    listed = case.parameter("f32_vs_f64_maxrel")
    for name, got in values(case, _load(case, config, torch.float32)).items():
        if _statistics(case, name) is None:
            limit = max(ROUNDED, 2 * listed.get(name, 0))
            yield Comparison(name, _error(case, name, got), limit, "float32")


def _generator_values(case: Case, G: nn.Module) -> dict[str, Tensor]:
    dtype = G.mapping.w_avg.dtype
    z, c = case.tensor("z", dtype).requires_grad_(), _labels(case, "c", dtype)
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
        **_gradients(loss, {"grad_z": z} if c is None else {"grad_z": z, "grad_c": c}),
        **_parameter_gradients("", loss, G),
        **(_path_length_values(case, G) if "pl_z" in case else {}),
    }
    with torch.no_grad():  # last: it changes w_avg
        G.mapping.update_w_avg(ws[:, 0])
        values["ema/mapping.w_avg"] = G.mapping.w_avg
        values["img_update_emas"] = G.synthesis(G.mapping(z, c), noise="const")
    return _stored(case, values)


def _path_length_values(case: Case, G: nn.Module) -> dict[str, Tensor]:
    dtype = G.mapping.w_avg.dtype
    ws = G.mapping(case.tensor("pl_z", dtype), _labels(case, "pl_c", dtype))
    img, noise = G.synthesis(ws, noise="const"), case.tensor("pl_noise", dtype)
    mean = torch.tensor(PATH_MEAN, dtype=dtype)
    penalty, mean, lengths = path_length(ws, img, noise, mean, PATH_DECAY)
    reg = penalty * PATH_WEIGHT
    return {
        **_gradients((img * noise).sum() / (img.shape[2] * img.shape[3]) ** 0.5, {"pl_grads_ws": ws}),
        "pl_lengths": lengths,
        "pl_mean_after": mean,
        "pl_penalty": penalty,
        "pl_reg": reg,
        **_parameter_gradients("pl_", reg.mean() * PATH_GAIN, G),
    }


def _discriminator_values(case: Case, D: nn.Module) -> dict[str, Tensor]:
    dtype = D.b4.out.weight.dtype
    img = case.tensor("img", dtype).requires_grad_()
    logits = D(img, _labels(case, "c", dtype))
    loss = (logits * case.tensor("R", dtype)).sum()
    values = {"logits": logits, **_gradients(loss, {"grad_img": img}), **_parameter_gradients("", loss, D)}
    if "r1_gamma" in case.meta:
        penalty = r1_penalty(img, logits)
        reg = penalty * (case.meta["r1_gamma"] / 2)
        values |= {"r1_penalty": penalty, "r1_reg": reg}
        values |= _parameter_gradients("r1_", reg.mean() * case.parameter("r1_gain"), D)
    return _stored(case, values)


def _stored(case: Case, values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those that the case has a reference for."""
    return {name: got.detach() for name, got in values.items() if name in case or _statistics(case, name)}


def _statistics(case: Case, name: str) -> list[float] | None:
    """[L2 norm, sum of g_i cos(i)] of a parameter's gradient, i being the flat index in radians."""
    kind, _, parameter = name.partition("/")
    return case.meta.get(kind, {}).get(parameter) if kind in STATISTICS else None


def _scale(case: Case, name: str) -> float | None:
    """Statistics are compared relative to the L2 norm; to the largest norm where it is zero."""
    statistics = _statistics(case, name)
    if statistics is None:
        return None
    return statistics[0] or max(norm for norm, _ in case.meta[name.partition("/")[0]].values())


def _error(case: Case, name: str, got: Tensor) -> float:
    statistics = _statistics(case, name)
    if statistics is not None:
        want = torch.tensor(statistics, dtype=torch.float64)
    else:
        rounded = f"{name}_f32"
        want = case.tensor(rounded if got.dtype == torch.float32 and rounded in case else name)
    if name in ("w", "w_psi"):  # stored once, the same for all layers
        want = want[:, None].expand(got.shape)
    return relative_error(got, want, _scale(case, name))


def _gradients(loss: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    grads = torch.autograd.grad(loss, list(inputs.values()), retain_graph=True, materialize_grads=True)
    return dict(zip(inputs, grads, strict=True))


def _parameter_gradients(prefix: str, loss: Tensor, net: nn.Module) -> dict[str, Tensor]:
    """Gradients and their statistics, summed in float64, under the names that the files use."""
    values = {}
    for name, g in _gradients(loss, _trainable(net)).items():
        flat = g.double().flatten()
        cosine = flat @ torch.arange(len(flat), dtype=torch.float64).cos()
        values |= {
            f"{prefix}grad/{name}": g,
            f"{prefix}grad_stats/{name}": torch.stack([flat.norm(), cosine]),
        }
    return values


def _load(case: Case, config: Config, dtype: torch.dtype) -> nn.Module:
    """The network with the stored state, by name; ValueError where names, shapes or trainability differ."""
    net = config.build().to(dtype).eval()
    net.load_state_dict(case.below("sd/"), strict=True)
    trainable = {name for name, kind in case.parameter("kinds").items() if kind == "parameter"}
    for what, names in [
        ("kinds", trainable),
        *((key, case.meta[key]) for key in STATISTICS if key in case.meta),
    ]:
        wrong = set(names) ^ _trainable(net).keys()
        if wrong:
            raise ValueError(f"{what}: trainable on one side only: {', '.join(sorted(wrong))}")
    return net


def _trainable(net: torch.nn.Module) -> dict[str, Tensor]:
    return {name: p for name, p in net.named_parameters() if p.requires_grad}


def _labels(case: Case, key: str, dtype: torch.dtype) -> Tensor | None:
    """One-hot labels that can be differentiated; None where the network takes none (width 0)."""
    c = case.tensor(key, dtype)
    return c.requires_grad_() if c.shape[1] else None


def _is_ada(case: Case) -> bool:
    """Whose defaults hold: the older repository's, or the newer one's. FormatError for a third."""
    repo = case.parameter("repo")
    if repo not in ("ada", "sg3"):
        raise FormatError(f"case {case.name}: repo is {repo!r}, neither 'ada' nor 'sg3'")
    return repo == "ada"


def _renamed(kwargs: dict, names: dict[str, str]) -> dict:
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
    Family("StyleGAN3 generator", lambda case: case.meta.get("network") == "stylegan3 Generator"),
)
