"""What the adapters of network files share: networks loaded by parameter name, evaluated twice.

Once in float64 (the stored float32 parameters promoted) and once in float32: float64 tells whether the
mathematics agree, float32 whether rounding stays what it has to be.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from tests.golden.case import Case, Comparison, relative_error
from training.losses.penalties import path_length, path_lengths

EXACT = 1e-6  # relative, float64
ROUNDED = 2e-5  # relative, float32; or twice the rounding that the file lists for the array, if that is more

STATISTICS = ("grad_stats", "pl_grad_stats", "r1_grad_stats")

# What the stored path length values were computed with.
PATH_MEAN, PATH_DECAY, PATH_WEIGHT, PATH_GAIN = 0.25, 0.01, 2.0, 4.0

Values = Callable[[Case, nn.Module], dict[str, Tensor]]


class Config(Protocol):
    """A network's config."""

    def build(self) -> nn.Module:
        """The network, freshly initialised."""


def check(case: Case, config: Config, values: Values) -> Iterator[Comparison]:
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


def path_length_values(case: Case, G: nn.Module) -> dict[str, Tensor]:
    dtype = G.mapping.w_avg.dtype
    ws = G.mapping(case.tensor("pl_z", dtype), labels(case, "pl_c", dtype))
    img, noise = G.synthesis(ws, noise="const"), case.tensor("pl_noise", dtype)
    mean = torch.tensor(PATH_MEAN, dtype=dtype)
    lengths = path_lengths(ws, img, noise)
    penalty, mean = path_length(lengths, mean, PATH_DECAY)
    reg = penalty * PATH_WEIGHT
    return {
        **gradients((img * noise).sum() / (img.shape[2] * img.shape[3]) ** 0.5, {"pl_grads_ws": ws}),
        "pl_lengths": lengths,
        "pl_mean_after": mean,
        "pl_penalty": penalty,
        "pl_reg": reg,
        **parameter_gradients("pl_", reg.mean() * PATH_GAIN, G),
    }


def stored(case: Case, values: dict[str, Tensor]) -> dict[str, Tensor]:
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


def gradients(loss: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    grads = torch.autograd.grad(loss, list(inputs.values()), retain_graph=True, materialize_grads=True)
    return dict(zip(inputs, grads, strict=True))


def parameter_gradients(prefix: str, loss: Tensor, net: nn.Module) -> dict[str, Tensor]:
    """Gradients and their statistics, summed in float64, under the names that the files use."""
    values = {}
    for name, g in gradients(loss, _trainable(net)).items():
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


def labels(case: Case, key: str, dtype: torch.dtype) -> Tensor | None:
    """One-hot labels that can be differentiated; None where the network takes none (width 0)."""
    c = case.tensor(key, dtype)
    return c.requires_grad_() if c.shape[1] else None
