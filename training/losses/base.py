"""What a loss and a penalty are: objects that get a context and return named terms, one value per sample.

Letters: n samples of the part of a batch that is passed through the networks at once, N of the whole batch.
A term that returns [n] is averaged over the parts of all micro-batches and processes. What looks at a whole
batch asks the context for it (`Context.whole`) and returns [N], or one number. Then no split of a batch
changes what is learnt, and no loss has to know how it is split.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from training.context import Context


class Term(NamedTuple):
    """values: [n] or [n, 1], one per sample; [N] or a single number where they come of the whole batch.

    weight: of their mean in what is minimised; 0: only reported, then of any shape. The report is without it.
    """

    values: Tensor
    weight: float = 1.0


Terms = Mapping[str, Tensor | Term]  # a bare tensor has the weight 1


class Loss:
    """Both sides of a game. Subclass it, and list an instance in LOSSES or hand it to `gan.train(loss=...)`.

    paired: the loss compares real image i with fake image i; both then carry the same label.
    """

    paired: bool = False

    def generator(self, context: "Context") -> Terms:
        """What the generator minimises, of `context.fake`, `context.fake_logits` and all else there is."""
        raise NotImplementedError

    def discriminator(self, context: "Context") -> Terms:
        """What the discriminator minimises, of `context.real_logits`, `context.fake_logits`, ..."""
        raise NotImplementedError


class LogitLoss(Loss):
    """A loss of the logits alone: two functions (real logits, fake logits), alike in shape -> per sample.

    The generator's function gets the real logits if the loss is paired, else None.
    """

    def __init__(
        self,
        of_generator: Callable[[Tensor | None, Tensor], Tensor],
        of_discriminator: Callable[[Tensor, Tensor], Tensor],
        paired: bool = False,
    ):
        self.of_generator, self.of_discriminator, self.paired = of_generator, of_discriminator, paired

    def generator(self, context: "Context") -> Terms:
        """The term loss/g."""
        real = context.real_logits if self.paired else None
        return {"loss/g": self.of_generator(real, context.fake_logits)}

    def discriminator(self, context: "Context") -> Terms:
        """The term loss/d."""
        return {"loss/d": self.of_discriminator(context.real_logits, context.fake_logits)}


class Penalty:
    """A term beside the loss, in every step of its network or in a step of its own every `interval` steps.

    network: whose.  name: of the step of its own.  interval: None for every step; a penalty that is due only
    now and then weighs that many times as much (lazy regularisation, Karras et al. 2020, section 3.2).
    fakes, slopes: whether it looks at fakes, and at gradients with respect to images.  feature_slopes: with
    respect to D's mixed features, of a discriminator that has them.  paired: see `Loss`.
    shrink: a step of its own takes 1/shrink of the batch.
    """

    network: ClassVar[Literal["generator", "discriminator"]] = "discriminator"
    name: ClassVar[str]
    interval: int | None = None
    fakes: bool = True
    slopes: bool = False
    feature_slopes: bool = False
    paired: bool = False
    shrink: int = 1

    def terms(self, context: "Context") -> Terms:
        """What is added to what its network minimises."""
        raise NotImplementedError
