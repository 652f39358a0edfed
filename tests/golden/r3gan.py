"""Adapter of the R3GAN files: images, logits, losses, penalties, and the norm of every gradient."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gan.networks.r3gan import DiscriminatorConfig, GeneratorConfig, from_published
from tests.golden.case import Case, Comparison, Family, described
from training.losses import LOSSES
from training.losses.penalties import r1_penalty

TOLERANCE = 2e-5  # the references are float32


def check_networks(case: Case) -> Iterator[Comparison]:
    for dtype in (torch.float64, torch.float32):
        for comparison in case.compare(_values(case, dtype), TOLERANCE):
            yield comparison._replace(arithmetic=str(dtype).removeprefix("torch."))


def _values(case: Case, dtype: torch.dtype) -> dict[str, Tensor]:
    common = {name: case.parameter(name) for name in ("resolution", "expansion", "c_dim")}
    common |= {name: tuple(case.parameter(name)) for name in ("widths", "cardinality", "blocks")}
    c_embed = case.parameter("c_embed") or None  # of the generator; the discriminator's is widths[0]
    G = GeneratorConfig(z_dim=case.parameter("noise_dim"), c_embed=c_embed, **common).build()
    D = DiscriminatorConfig(**common).build()
    names = {role: _load(net, case.below(f"{role}/"), dtype) for role, net in (("G", G), ("D", D))}
    z, x = case.tensor("z", dtype), case.tensor("x", dtype).requires_grad_()
    c = case.tensor("c", dtype) if "c" in case else None
    adversarial = LOSSES["relativistic"]
    fake = G(z, c)
    real_logits, fake_logits = D(x, c), D(fake, c)
    g_loss = adversarial.of_generator(real_logits, fake_logits)
    values = {
        "img": fake,
        "d_logits": real_logits,
        "g_loss": g_loss,
        "g_rel_logits": fake_logits - real_logits,
    }
    values |= _norms("Ggrad/", g_loss, G, names["G"])
    fake = fake.detach().requires_grad_()
    fake_logits = D(fake, c)
    r1, r2 = r1_penalty(x, real_logits), r1_penalty(fake, fake_logits)
    d_loss = adversarial.of_discriminator(real_logits, fake_logits)
    penalised = d_loss.flatten() + (r1 + r2) * (case.parameter("gamma") / 2)
    values |= {"r1": r1, "r2": r2, "d_loss": d_loss, "d_rel_logits": real_logits - fake_logits}
    values |= _norms("Dgrad/", penalised, D, names["D"])
    return {name: v if name == "img" or "grad/" in name else v.flatten() for name, v in values.items()}


def _load(net: nn.Module, published: dict[str, Tensor], dtype: torch.dtype) -> dict[str, str]:
    """Load the stored weights; parameter -> published name."""
    net.to(dtype).load_state_dict(from_published(published))
    names = from_published({name: name for name in published})
    return {ours: name for ours, name in names.items() if ours in dict(net.named_parameters())}


def _norms(prefix: str, loss: Tensor, net: nn.Module, names: dict[str, str]) -> dict[str, Tensor]:
    """L2 norm of the gradient of the mean loss by each parameter."""
    parameters = dict(net.named_parameters())
    gradients = torch.autograd.grad(loss.mean(), list(parameters.values()), retain_graph=True)
    return {
        prefix + names[name]: gradient.norm() for name, gradient in zip(parameters, gradients, strict=True)
    }


FAMILIES = (Family("R3GAN networks", described("noise_dim", "widths", "cardinality"), check_networks),)
