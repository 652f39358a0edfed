"""What a loss sees of a step: one part of a batch, both networks' passes over it, and what it remembers.

Letters: n samples of the part, N of the batch.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from gan.networks.blocks import Block
from gan.randomness import Draws
from gan.sampling import has_styles
from training.losses.base import Term, Terms
from training.parts import Part
from training.passes import draw_ws, interleaved, judged, seen
from training.state import TrainState


class Unmeasured(Exception):
    """A loss asked for values of the whole batch that are not gathered yet; `values` is this part's share."""

    def __init__(self, values: tuple[Tensor, ...]):
        super().__init__("values of the whole batch are not known yet")
        self.values = values


class Context:
    """One part of a batch in a step of one network. What is asked for is computed once, when it is asked for.

    draws: random numbers of the samples.
    role: whose step, "generator" or "discriminator": gradients go to this one's weights alone.
    fakes, slopes, feature_slopes: whether the step looks at fakes, at gradients with respect to images, and
    at those with respect to D's mixed features, which then are cut off from the images in D's own steps.
    real: [n, C, H, W] in [-1, 1].  c, c_fake: labels of reals and fakes [n, c_dim], None without.
    nimg: real images shown so far.  scale: factor of inner gradients in half types; results are without.
    """

    def __init__(
        self,
        state: TrainState,
        part: Part,
        *,
        draws: Draws,
        role: str,
        real: Tensor | None,
        c: Tensor | None,
        c_fake: Tensor | None,
        fakes: bool = True,
        slopes: bool = False,
        feature_slopes: bool = False,
        first: bool = True,
        wholes: Sequence[tuple[Tensor, ...]] = (),
    ):
        self.state, self.part, self.draws, self.role = state, part, draws, role
        self.real = real.detach().requires_grad_() if slopes and real is not None else real
        self.c, self.c_fake, self.nimg = part.rows(c), part.rows(c_fake), state.nimg
        self.scale = (state.scaler_g if role == "generator" else state.scaler_d).get_scale()
        self.remembered: dict[str, Tensor] = {}
        self.mixed: list[Tensor] = []  # of D's own pass in a step that looks at slopes there, once it is made
        self._fakes, self._slopes, self._first, self._wholes = fakes, slopes, first, wholes
        self._cut = feature_slopes and role == "discriminator"
        self._asked = 0

    @property
    def generator(self) -> nn.Module:
        """G in training."""
        return self.state.generator

    @property
    def discriminator(self) -> nn.Module:
        """D in training; `judge` shows it images as it sees them in training."""
        return self.state.discriminator

    @cached_property
    def z(self) -> Tensor:
        """[n, z_dim], unit normal."""
        return self.normal((self.generator.z_dim,))

    @cached_property
    def ws(self) -> Tensor:
        """[n, num_ws, w_dim] of fresh z with the labels c_fake, styles mixed as configured."""
        with self._gradients("generator"):
            ws = draw_ws(self.state, self.draws.apart(), self.c_fake, self._moves("generator"))
            return ws.requires_grad_(self.role == "generator")

    @cached_property
    def fake(self) -> Tensor:
        """[n, C, H, W]: images of `ws`, or of `z` where the generator has no styles."""
        with self._gradients("generator"):
            if has_styles(self.generator):
                ws, noise = self.ws, self.draws.apart()
                fake = self.generator.synthesis(ws, noise=noise, update_emas=self._moves("discriminator"))
            elif getattr(self.generator, "noisy", False):
                fake = self.generator(self.z, self.c_fake, noise=self.draws.apart())
            else:
                fake = self.generator(self.z, self.c_fake)
        return fake.detach().requires_grad_() if self._slopes and self.role == "discriminator" else fake

    @property
    def real_logits(self) -> Tensor:
        """D of `real` [n, 1]; without gradients in a step of the generator."""
        return self._logits[1] if self._together else self._real_logits

    @property
    def fake_logits(self) -> Tensor:
        """D of `fake` [n, 1]."""
        return self._logits[0] if self._together else self._fake_logits

    @property
    def _together(self) -> bool:
        """Whether one pass of D over reals and fakes gives the logits of both."""
        return self.role == "discriminator" and self._fakes

    @cached_property
    def _logits(self) -> tuple[Tensor, Tensor]:
        labels = None if self.c is None else interleaved(self.c_fake, self.c)
        real, fake = self.sides(self._own_pass(interleaved(self.fake, self.real), labels))
        return fake, real

    def sides(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Rows of D's own pass of the step: those of reals [n, ...], and of fakes [n, ...] if it saw any."""
        return tuple(reversed(rows.unflatten(0, (-1, 2)).unbind(1))) if self._together else (rows,)

    def _own_pass(self, images: Tensor, c: Tensor | None) -> Tensor:
        """`judge`, which keeps the features that slopes are taken at, as leaves of the graph."""
        if not self._cut:
            return self.judge(images, c)
        found = self.discriminator.mixed(seen(self.state, images, self.draws.apart()))
        self.mixed = [x.detach().requires_grad_() for x in found]
        return self.discriminator.of_mixed(self.mixed, c)

    @cached_property
    def _real_logits(self) -> Tensor:
        with self._gradients("discriminator"):
            return self._own_pass(self.real, self.c)

    @cached_property
    def _fake_logits(self) -> Tensor:
        return self.judge(self.fake, self.c_fake)

    def judge(self, images: Tensor, c: Tensor | None) -> Tensor:
        """D's logits [m, 1] of images [m, C, H, W] with labels, blurred and augmented as is due by now."""
        return judged(self.state, images, c, self.draws.apart())

    def features(self, images: Tensor, c: Tensor | None) -> dict[str, Tensor]:
        """What D's blocks make of images [m, C, H, W], by name, such as b8: [m, ...]; seen as by `judge`."""
        found: dict[str, Tensor] = {}

        def keeper(name: str) -> Callable[[nn.Module, tuple, Any], None]:
            def keep(_: nn.Module, inputs: tuple, output: Any) -> None:
                scales = output if isinstance(output, list) else []  # mixed features: one map of each
                if not scales:
                    found.setdefault(name, output[0] if isinstance(output, tuple) else output)
                for number, scale in enumerate(scales):
                    found.setdefault(f"{name}.{number}", scale)

            return keep

        blocks = {n: m for n, m in self.discriminator.named_modules() if isinstance(m, Block) and m.level}
        handles = [module.register_forward_hook(keeper(name)) for name, module in blocks.items()]
        try:
            self.judge(images, c)
        finally:
            for handle in handles:
                handle.remove()
        return found

    def normal(self, shape: Sequence[int] = ()) -> Tensor:
        """Unit normal [n, *shape], other numbers in each call; a sample's depend on no split of the batch."""
        return self.draws.apart().normal(shape)

    def uniform(self, shape: Sequence[int] = ()) -> Tensor:
        """The same, uniform in [0, 1)."""
        return self.draws.apart().uniform(shape)

    def whole(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Tensors [n, ...] of this part -> [N, ...] of the whole batch, with gradients to this part's rows.

        Where a batch is split, every call costs one more pass without a backward one: give all to one call.
        """
        if self.part.count == 1:
            self._asked += 1
            return values
        if self._asked == len(self._wholes):
            raise Unmeasured(tuple(value.detach() for value in values))
        known = self._wholes[self._asked]
        self._asked += 1
        return tuple(self.part.placed(value, whole) for value, whole in zip(values, known, strict=True))

    def recall(self, name: str, default: Tensor) -> Tensor:
        """What was remembered under `name` in an earlier step, or `default`."""
        return self.state.memory.setdefault(name, default.detach())

    def remember(self, name: str, value: Tensor) -> None:
        """Keep a tensor for later steps; it is part of checkpoints.

        It is forgotten where the step is skipped or the value is not finite. Over parts of a batch the mean
        is kept, so that a running mean of this part's values is one of the batch's.
        """
        self.remembered[name] = value.detach()

    def objective(self, terms: Terms) -> Tensor:
        """The part's share of what is minimised: the weighted terms of the batch, scalar.

        Raises ValueError for a term that is one number of this part alone, or of a wrong length.
        """
        shares = []
        for name, term in terms.items():
            values, weight = term if isinstance(term, Term) else (term, 1.0)
            if weight:
                factor = weight * self._share(name, values)
                shares.append(values.mean() if factor == 1 else values.mean() * factor)
        return sum(shares[1:], shares[0]) if shares else torch.zeros([], device=self.state.device)

    def _share(self, name: str, values: Tensor) -> float:
        """How much the mean of a term weighs in that of the batch."""
        rows, part = values.shape[0] if values.ndim else 0, self.part
        if rows == len(part):
            return part.weight
        if rows == part.total or (rows == 0 and self._asked):
            return 1.0
        raise ValueError(
            f"the term {name} has shape {list(values.shape)}: return one value per sample [{len(part)}], so"
            " that it can be averaged over processes and micro-batches; a number of the whole batch is made"
            " of context.whole(...)"
        )

    @contextmanager
    def _gradients(self, role: str) -> Iterator[None]:
        """No gradients through a network whose step this is not."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and role == self.role):
            yield

    def _moves(self, role: str) -> bool:
        """Whether passes move running values: the mean of w in G's own step, magnitudes in D's."""
        return self._first and self.role == role
