"""One optimisation step: the objectives of both networks, in the order of Karras et al. 2020.

Every objective returns the terms it measured, as detached tensors. Random numbers follow from the run's seed,
the image count and the sample (gan/randomness.py): a resumed run draws what it would have drawn, and no split
of a batch changes them. Code of others that draws from torch's global generators finds them seeded anew for
each objective and part. What is minimised is made in training/objectives.py, of one part of the batch at a
time (training/parts.py); this file knows no loss.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan import distributed
from gan.networks.blocks import exact
from gan.networks.prepared import prepared
from gan.randomness import Draws, seed_global
from training.context import Context, Unmeasured
from training.losses.base import Term
from training.objectives import Objective, objectives
from training.parts import (
    Part,
    Terms,
    Wholes,
    gathered,
    merge_gradients,
    over_parts,
    own,
    split,
    summed,
    together,
)
from training.passes import shuffled
from training.state import TrainState, set_rates


def train_step(state: TrainState, real: Tensor, c: Tensor | None, every: bool = False) -> Terms:
    """Generator, then discriminator, each with its penalty when due, or all objectives if `every`.

    Args:
        real: this process's images [N / processes, C, H, W] in [-1, 1], every n-th of the batch.
        c: labels of the whole batch [N, c_dim], or None. Fakes take the same, shuffled unless the loss
            compares real image i with fake image i.
    """
    terms: Terms = {}
    set_rates(state)
    repaired: list[Tensor] = []
    for objective in objectives(state.config.loss, state.loss):
        if every or state.step % objective.steps == 0:
            terms |= learn(state, objective, real, c)
            repaired += [terms.pop("repaired")] if "repaired" in terms else []
    if repaired:
        terms["nonfinite_steps"] = torch.stack(repaired).any().float()
    if state.augmentation:
        state.augmentation.step(state.step + 1)
    return terms


def learn(state: TrainState, objective: Objective, real: Tensor, c: Tensor | None) -> Terms:
    """One optimiser step on one objective; its terms, as means over the batch. Arguments as `train_step`."""
    optimizer: torch.optim.Optimizer = getattr(state, f"optimizer_{objective.role[0]}")
    parameters = _parameters(optimizer)
    parts = split(state, max(len(real) * distributed.world() // objective.shrink, 1))

    def viewed(real: Tensor, c: Tensor | None, nimg: int | Tensor) -> View:
        return View(state, objective, parts, real, c, nimg)

    with training(parameters), prepared(state.generator, state.discriminator):
        if state.graphs:  # of one part
            batch = real, c
            found = state.graphs.computed(
                objective.name, state, parameters, batch, lambda *given: viewed(*given).work(parts[0], [])
            )
        else:
            found = in_parts(viewed(real, c, state.nimg), optimizer)
        merge_gradients(parameters)
    return moved(state, objective, *found)


def in_parts(view: "View", optimizer: torch.optim.Optimizer) -> tuple[Terms, Terms]:
    """Gradients of all parts; terms, and what is remembered, of the whole batch."""
    state, objective, parts, wholes = view.state, view.objective, view.parts, Wholes()
    while parts[0].count > 1 and len(wholes) < objective.wholes:
        wholes.append(gathered(state, parts, lambda part: view.asked(part, wholes)))
    while True:
        try:
            found = over_parts(state, parts, lambda part: view.work(part, wholes))
            break
        except Unmeasured:
            optimizer.zero_grad(set_to_none=True)
            wholes.append(gathered(state, parts, lambda part: view.asked(part, wholes)))
            objective.wholes = len(wholes)
    return summed([terms for terms, _ in found]), summed([remembered for _, remembered in found])


class View:
    """An objective over the parts of a batch. Arguments as `learn`.

    nimg: images seen, which key the random numbers; a tensor where this is recorded for later steps.
    """

    def __init__(
        self,
        state: TrainState,
        objective: Objective,
        parts: Sequence[Part],
        real: Tensor,
        c: Tensor | None,
        nimg: int | Tensor,
    ):
        self.state, self.objective, self.parts, self.nimg = state, objective, parts, nimg
        self.real, self.c = (real, c) if objective.shrink == 1 else (None, None)  # a fraction has fakes only
        self.c_fake = None
        if objective.fakes and c is not None:
            self.c_fake = (c if objective.paired else shuffled(c, self._draws(())))[: parts[0].total]

    def terms(self, part: Part, wholes: Wholes) -> tuple[Context, dict[str, Term]]:
        """The context of a part, and what the objective makes of it."""
        state = self.state
        if isinstance(self.nimg, int):  # what has graphs has no code of others
            seed_global(state.device, state.config.seed, self.nimg, self.objective.number, part.number)
        context = Context(
            state,
            part,
            draws=self._draws(part.samples),
            role=self.objective.role,
            real=None if self.real is None else own(self.real, self.parts, part),
            c=self.c,
            c_fake=self.c_fake,
            fakes=self.objective.fakes,
            slopes=self.objective.slopes,
            feature_slopes=self.objective.feature_slopes,
            first=self.objective.loss is not None,
            wholes=wholes,
        )
        return context, self.objective.terms(context)

    def _draws(self, samples: Sequence[int]) -> Draws:
        state = self.state
        return Draws(state.config.seed, self.nimg, samples, state.device, step=self.objective.number)

    def work(self, part: Part, wholes: Wholes) -> tuple[Terms, Terms]:
        """Gradients of the part, and its shares of all terms and of what is remembered."""
        context, terms = self.terms(part, wholes)
        scaler = self.state.scaler_g if self.objective.role == "generator" else self.state.scaler_d
        scaler.scale(context.objective(terms)).backward()
        if self.state.augmentation and self.objective.name == "d":
            self.state.augmentation.observe(context.real_logits)
        means = {name: _mean(term.values.detach()) for name, term in terms.items()}
        return _weighted(means, part.weight), _weighted(context.remembered, part.weight)

    def asked(self, part: Part, wholes: Wholes) -> tuple[Tensor, ...]:
        """What the part gives to the next thing that is asked of the whole batch."""
        try:
            self.terms(part, wholes)
        except Unmeasured as request:
            return request.values
        return ()


def moved(state: TrainState, objective: Objective, terms: Terms, remembered: Terms) -> Terms:
    """One optimiser step; returns the objective's terms, for g and d with the gradient's norm.

    `repaired` (bool) says whether a gradient was not finite. With loss scaling there is instead
    `skipped/<objective>` (0 or 1), and `loss_scale/<network>`; a skipped step loses the terms that are not
    finite: they say that the scale was too large, nothing of the networks. What a loss remembers is kept
    after a step that was made, as far as it is finite.
    """
    network = objective.role[0]
    optimizer, scaler = (getattr(state, f"{name}_{network}") for name in ("optimizer", "scaler"))
    with together(state):
        norm = update(optimizer, scaler)
    if scaler.is_enabled():
        terms[f"loss_scale/{network}"] = torch.tensor(scaler.get_scale())
        terms[f"skipped/{objective.name}"] = torch.tensor(float(norm is None))
    if norm is None:
        return {name: term for name, term in terms.items() if term.isfinite()}
    for name, value in remembered.items():
        before = state.memory.get(name, torch.zeros_like(value))
        state.memory[name] = torch.where(value.isfinite().all(), value, before)
    if not scaler.is_enabled():
        terms["repaired"] = (norm * 0).ne(0)  # infinity and NaN become NaN, which is not 0
    return terms | ({f"grad_norm/{network}": norm} if objective.loss else {})


def update(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler | None = None) -> Tensor | None:
    """One optimiser step, then empty gradients; returns the gradient's L2 norm, None for a skipped step.

    With loss scaling, a gradient that is not finite skips the step and halves the scale. Without, an entry
    that is not finite becomes 0 (NaN) or +-1e5 (infinity), so that one bad batch cannot end a run; the norm
    is the one before, which tells of the repair. Without scaling, nothing here waits for the device.
    """
    scaler = scaler or torch.amp.GradScaler(enabled=False)
    scaler.unscale_(optimizer)
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm([p.grad for p in _moving(optimizer)])))
    if not scaler.is_enabled():
        repair(optimizer)
    before = scaler.get_scale() if scaler.is_enabled() else 1.0
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    return None if scaler.is_enabled() and scaler.get_scale() < before else norm


def repair(optimizer: torch.optim.Optimizer) -> None:
    """Gradients without NaN and infinities, all at once: they become views of one tensor of each type."""
    parameters = _moving(optimizer)
    for dtype in {p.dtype for p in parameters}:
        some = [p for p in parameters if p.dtype == dtype]
        flat = torch.cat([p.grad.reshape(-1) for p in some])
        torch.nan_to_num(flat, nan=0.0, posinf=1e5, neginf=-1e5, out=flat)
        for parameter, part in zip(some, flat.split([p.numel() for p in some]), strict=True):
            parameter.grad = part.view_as(parameter)


def _moving(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """The parameters that have a gradient."""
    return [p for p in _parameters(optimizer) if p.grad is not None]


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Those of its network: a walk over the network would take longer."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def _mean(values: Tensor) -> Tensor:
    """The mean of a term's values, which may be one number already, in float32."""
    return exact(values).mean() if values.ndim else exact(values)


def _weighted(terms: Terms, weight: float) -> Terms:
    return dict(terms) if weight == 1 else {name: value * weight for name, value in terms.items()}


class training:
    """Gradients for these parameters, within the block."""

    def __init__(self, parameters: Sequence[nn.Parameter]):
        self.parameters = parameters

    def __enter__(self) -> None:
        for parameter in self.parameters:
            parameter.requires_grad = True

    def __exit__(self, *_: object) -> None:
        for parameter in self.parameters:
            parameter.requires_grad = False
