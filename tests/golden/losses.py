"""Adapters of the loss file: losses, penalties, style mixing, blur, weight average, Adam's settings."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from gan.ema import ema_beta, update
from gan.latents import mix
from tests.golden.case import Case, Comparison, Family, FormatError, described, relative_error
from training.blur import blurred, kernel, sigma_at
from training.losses.logistic import discriminator_loss, generator_loss
from training.losses.penalties import path_length, path_lengths, r1_penalty
from training.schedules import lazy_adam
from training.step import update as sanitised_step

EXACT = 1e-9  # softplus is the identity above 20, which moves the last digits
SINGLE = 2e-7  # a blur's taps are float32


def check_adversarial(case: Case) -> Iterator[Comparison]:
    logits = {key: case.tensor(key).requires_grad_() for key in ("fake_logits", "real_logits") if key in case}
    columns = {key: tensor[:, None] for key, tensor in logits.items()}  # [N, 1], as networks return them
    if case.parameter("phase") == "Gmain":
        loss = generator_loss(None, columns["fake_logits"])
        logits = {"fake_logits": logits["fake_logits"]}
    else:
        loss = discriminator_loss(columns["real_logits"], columns["fake_logits"])
    total = loss.mean() * case.parameter("gain")
    results = {"loss_per_sample": loss[:, 0], "loss_mean_times_gain": total}
    yield from case.compare(results | _gradients(total, logits), EXACT)


def check_r1(case: Case) -> Iterator[Comparison]:
    """The discriminator is D(x) = sum(a x + b x^2 / 2 + d sin x) over an image."""
    weights = {key: case.tensor(key).requires_grad_() for key in ("a", "b", "d")}
    a, b, d = weights.values()

    def D(x: Tensor) -> Tensor:
        return (a * x + b * x.square() / 2 + d * x.sin()).sum(dim=(1, 2, 3))[:, None]  # [N, 1]

    img = case.tensor("real_img").requires_grad_()
    real_logits = D(img)
    penalty = r1_penalty(img, real_logits)
    loss = penalty * (case.parameter("r1_gamma") / 2)
    results, both = {"r1_penalty": penalty, "r1_loss": loss}, loss
    if case.parameter("phase") == "Dboth":
        adversarial = discriminator_loss(real_logits, D(case.tensor("fake_img")))[:, 0]
        results["adv_loss_per_sample"] = adversarial
        both = loss + adversarial
    yield from case.compare(results | _gradients(both.mean() * case.parameter("gain"), weights), EXACT)


def check_path_length(case: Case) -> Iterator[Comparison]:
    """The image is the sum over layers l and dimensions d of tanh(w[l, d]) * W[l, d, pixel]."""
    noise, W = case.tensor("noise"), case.tensor("W").requires_grad_()
    ws = case.tensor("ws")
    ws = ws[: len(ws) // case.parameter("pl_batch_shrink")].requires_grad_()
    img = torch.einsum("nld,ldp->np", ws.tanh(), W).reshape(noise.shape)
    mean = torch.tensor(case.parameter("pl_mean_before"), dtype=torch.float64)
    penalty, mean = path_length(path_lengths(ws, img, noise), mean, case.parameter("pl_decay"))
    loss = penalty * case.parameter("pl_weight")
    results = {"pl_penalty": penalty, "pl_loss": loss, "pl_mean_after": mean}
    yield from case.compare(results | _gradients(loss.mean() * case.parameter("gain"), {"W": W}), EXACT)


def check_mixing(case: Case) -> Iterator[Comparison]:
    layers = case.parameter("num_ws")
    first, second = (case.tensor(key)[:, None].repeat(1, layers, 1) for key in ("w_first", "w_second"))
    yield from case.compare({"ws": mix(first, second, case.parameter("cutoff"))}, EXACT)


def check_blur(case: Case) -> Iterator[Comparison]:
    start, fade, nimg = (case.parameter(key) for key in ("blur_init_sigma", "blur_fade_kimg", "cur_nimg"))
    sigma = sigma_at(start, fade, nimg)
    taps = kernel(sigma)
    yield _number("sigma", sigma, case.parameter("blur_sigma"))
    yield _number("radius", 0 if taps is None else len(taps) // 2, case.parameter("radius"))
    results = {"y": blurred(case.tensor("x"), sigma)}
    if taps is not None:
        results["kernel"] = taps
    yield from case.compare(results, SINGLE)


def check_average(case: Case) -> Iterator[Comparison]:
    beta = _ema_beta(case.meta)
    yield _number("ema_beta", beta, case.parameter("ema_beta"))
    average, module = _module(case, "ema_param_before", "ema_buffer_before"), _module(case, "param", "buffer")
    update(average, module, beta)
    results = {"ema_param_after": average.parameter, "ema_buffer_after": average.buffer}
    yield from case.compare(results, EXACT)


def check_average_table(case: Case) -> Iterator[Comparison]:
    for i, row in enumerate(_rows(case, "ema_beta")):
        yield _number(f"row {i}", _ema_beta(row), row["ema_beta"])


def check_lazy_table(case: Case) -> Iterator[Comparison]:
    for i, row in enumerate(_rows(case, "effective_lr")):
        got = lazy_adam(row["lr"], *row["betas"], row["reg_interval"])
        for name, ours, theirs in zip(
            ("lr", "beta1", "beta2"), got, (row["effective_lr"], *row["effective_betas"]), strict=True
        ):
            yield _number(f"row {i} {name}", ours, theirs)


def check_sanitising(case: Case) -> Iterator[Comparison]:
    rows = case.parameter("rows")
    if not isinstance(rows, dict) or not rows.keys() >= {"before", "after"}:
        raise FormatError(f"{case.name}: not the two lists 'before' and 'after'")
    parameter = nn.Parameter(torch.zeros(len(rows["before"]), dtype=torch.float64))
    parameter.grad = torch.tensor([float(value) for value in rows["before"]], dtype=torch.float64)
    sanitised_step(torch.optim.SGD([parameter], lr=1.0))
    for i, (moved, want) in enumerate(zip(parameter.tolist(), rows["after"], strict=True)):
        yield _number(f"row {i}", -moved, want)


def _ema_beta(row: dict) -> float:
    try:
        return ema_beta(row["batch_size"], row["cur_nimg"], row["ema_kimg"], row["ema_rampup"])
    except KeyError as missing:
        raise FormatError(f"an average without {missing}") from missing


def _rows(case: Case, key: str) -> list[dict]:
    rows = case.parameter("rows")
    if not rows or not all(key in row for row in rows):
        raise FormatError(f"{case.name}: rows without {key!r}")
    return rows


def _number(name: str, got: float, want: float) -> Comparison:
    error = relative_error(torch.tensor(got, dtype=torch.float64), torch.tensor(want, dtype=torch.float64))
    return Comparison(name, error, EXACT)


def _module(case: Case, parameter: str, buffer: str) -> nn.Module:
    module = nn.Module()
    module.parameter = nn.Parameter(case.tensor(parameter))
    module.register_buffer("buffer", case.tensor(buffer))
    return module


def _gradients(loss: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    grads = torch.autograd.grad(loss, list(inputs.values()), materialize_grads=True)
    return {f"grad_{name}": g for name, g in zip(inputs, grads, strict=True)}


def _table(name: str) -> Callable[[Case], bool]:
    return lambda case: case.name == f"tables/{name}"


FAMILIES = (
    Family("R1", described("phase", "gain", "r1_gamma"), check_r1),
    Family("adversarial loss", described("phase", "gain"), check_adversarial),
    Family("path length", described("pl_weight", "pl_decay", "gain"), check_path_length),
    Family("style mixing", described("style_mixing_prob", "cutoff", "num_ws"), check_mixing),
    Family("weight average", described("ema_kimg", "ema_beta"), check_average),
    Family("weight average", _table("ema"), check_average_table),
    Family("lazy regularisation", _table("lazy_regularization"), check_lazy_table),
    Family("discriminator blur", described("blur_init_sigma", "blur_fade_kimg"), check_blur),
    Family("gradient sanitising", _table("grad_sanitise"), check_sanitising),
)
