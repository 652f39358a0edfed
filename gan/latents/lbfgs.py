"""L-BFGS for many independent problems at once, one evaluation of all of them a step.

Nocedal and Wright 2006, "Numerical Optimization", algorithms 7.4 (the direction by two loops over the last
differences) and 3.1 (steps that are shortened until the value has fallen enough). No problem sees another.

Letters: N problems, D unknowns of each, M differences that are remembered.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

MEMORY = 20  # M
ENOUGH = 1e-4  # of the fall that the slope promises, algorithm 3.1's c
SHORTEST, LONGEST = 0.1, 0.5  # parts that a step which failed is shortened to
LEAST = 1e-6  # length of a step, in its first one, below which the memory is dropped


class Lbfgs:
    """Minimises N functions: evaluate them at `x` [N, D], `tell` values and gradients, and again.

    best: where the lowest values were [N, D].  first: length of the first step of each problem [N].
    """

    def __init__(self, start: Tensor, first: Tensor) -> None:
        """start: [N, D]."""
        count, dim = start.shape
        history = start.new_zeros(MEMORY, count, dim)
        self._state = {
            "x": start.clone(),
            "best": start.clone(),
            "value": start.new_full((count,), torch.inf),
            "gradient": torch.zeros_like(start),
            "direction": torch.zeros_like(start),
            "length": start.new_zeros(count),  # of the step, in directions
            "first": first.to(start, copy=True),
            "moves": history,
            "changes": history.clone(),
            "rho": start.new_zeros(MEMORY, count),  # 1 / (move . change), 0 for what is not there
        }

    @property
    def x(self) -> Tensor:
        """Where to evaluate next [N, D]."""
        return self._state["x"]

    @property
    def best(self) -> Tensor:
        """Where the lowest values were [N, D]."""
        return self._state["best"]

    def state(self) -> dict[str, Tensor]:
        """All that goes on, by name."""
        return {name: tensor.clone() for name, tensor in self._state.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`."""
        self._state = {name: state[name].to(own, copy=True) for name, own in self._state.items()}

    @torch.no_grad()
    def tell(self, value: Tensor, gradient: Tensor) -> None:
        """value [N] and gradient [N, D] at `x`; then `x` is where to look next."""
        now = self._state
        slope = (now["gradient"] * now["direction"]).sum(dim=1)  # [N], not positive
        fell = value <= now["value"] + ENOUGH * now["length"] * slope  # also the first time
        self._remember(fell & now["value"].isfinite(), gradient)
        shorter = self._shortened(value, slope)
        for name, new in (("best", now["x"]), ("value", value), ("gradient", gradient)):
            now[name] = torch.where(fell if new.ndim == 1 else fell[:, None], new, now[name])
        stuck = ~fell & (shorter < LEAST)
        now["rho"] = torch.where(stuck, 0, now["rho"])
        renewed = fell | stuck
        now["direction"] = torch.where(renewed[:, None], self._direction(), now["direction"])
        now["length"] = torch.where(renewed, 1, shorter)
        now["x"] = now["best"] + now["length"][:, None] * now["direction"]

    def _remember(self, which: Tensor, gradient: Tensor) -> None:
        """The last move of some of the problems, and how their gradients changed by it."""
        now = self._state
        move, change = now["x"] - now["best"], gradient - now["gradient"]
        product = (move * change).sum(dim=1)
        which = which & (product > 1e-10 * change.square().sum(dim=1))  # else no curvature is learnt
        new = {"moves": move, "changes": change, "rho": torch.where(which, 1 / product, 0)}
        for name, latest in new.items():
            mask = which if latest.ndim == 1 else which[:, None]
            now[name] = torch.where(mask, torch.cat([now[name][1:], latest[None]]), now[name])

    def _shortened(self, value: Tensor, slope: Tensor) -> Tensor:
        """The step where a parabola through value, slope and the value found is lowest, within bounds [N]."""
        length = self._state["length"]
        excess = value - self._state["value"] - length * slope
        lowest = -slope * length.square() / (2 * excess)
        lowest = torch.where(lowest.isfinite(), lowest, length * SHORTEST)
        return lowest.clamp(length * SHORTEST, length * LONGEST)

    def _direction(self) -> Tensor:
        """Minus the inverse Hessian, as far as it is known, times the gradient [N, D]."""
        now, parts = self._state, []
        q = now["gradient"].clone()
        for number in reversed(range(MEMORY)):
            part = now["rho"][number] * (now["moves"][number] * q).sum(dim=1)  # [N]
            parts.append(part)
            q -= part[:, None] * now["changes"][number]
        known = now["rho"][-1] > 0
        curvature = now["rho"][-1] * now["changes"][-1].square().sum(dim=1)  # 1 / gamma, eq. 7.20
        steepest = now["first"] / now["gradient"].norm(dim=1).clamp_min(torch.finfo(q.dtype).tiny)
        q *= torch.where(known, 1 / curvature, steepest)[:, None]
        for number, part in enumerate(reversed(parts)):
            other = now["rho"][number] * (now["changes"][number] * q).sum(dim=1)
            q += (part - other)[:, None] * now["moves"][number]
        return -q
