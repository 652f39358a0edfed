"""Random numbers that depend on their sample alone: on no state, batch, rank, order, device or other sample.

Element e of a sample is a function of (seed, stream, images seen, sample number, e). It comes from
Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3), a bijection
of 128-bit counters for every 64-bit key. Their layout, in words of 32 bits, lowest first:

    key       seed, stream
    counter   e // 4, sample number, images seen mod 2**32, images seen // 2**32

No bit serves two numbers, so no two elements of any two draws share both counter and key. Element e
has word e % 4 of the result (`uniform`), or words 0, 1 for e % 4 in (0, 1) and 2, 3 for (2, 3) (`normal`).
`uniform` and `normal` read the same words: draws that must not depend on each other take different streams.

The kernels give the same uniform numbers as the definition below, bit for bit. Their normal ones, computed
by polynomials with explicit fused multiply-adds, are the same bits on the CPU and on CUDA, and lie within 8
units in the last place of the definition, which takes logarithm, sine and cosine from PyTorch.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ops.library import serves
from ops.registration import Operator, call, record

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
_WORD = 2**32 - 1
_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)  # what each round adds to the words of the key


def keys(seed: int, nimg: int | Tensor, samples: Sequence[int] | Tensor, stream: int) -> Tensor:
    """One key per sample -> int64 [N, 3]: seed + stream * 2**32, images seen, sample number.

    Args:
        seed: of the run, in [0, 2**32).
        nimg: images seen, in [0, 2**63); a scalar int64 tensor is not checked.
        samples: [N] numbers in [0, 2**32), of the samples among all that are drawn at this `nimg`, on every
            rank. Those of a tensor are not checked, as that would wait for its device; keys lie on it.
        stream: what is drawn, in [0, 2**31): latents, noise, each choice of an augmentation.

    Raises:
        ValueError: numbers outside of these ranges.
    """
    _check_range("seed", seed, 2**32)
    if not isinstance(nimg, Tensor):
        _check_range("nimg", nimg, 2**63)
    _check_range("stream", stream, 2**31)
    if not isinstance(samples, Tensor):
        for sample in samples:
            _check_range("samples", sample, 2**32)
        samples = torch.tensor(samples, dtype=torch.int64)
    if samples.ndim != 1 or samples.is_floating_point():
        raise ValueError(f"samples must be [N] integers; got {list(samples.shape)} of {samples.dtype}")
    samples = samples.to(torch.int64)
    seen = nimg.expand_as(samples) if isinstance(nimg, Tensor) else torch.full_like(samples, nimg)
    return torch.stack((torch.full_like(samples, seed | stream << 32), seen, samples), dim=1)  # [N, 3]


def normal(
    keys: Tensor,
    shape: Sequence[int],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Standard normal numbers, at most 6.7 from 0, without derivative -> [N, *shape], contiguous.

    They are computed in float32 and rounded to, or held by, any other dtype.

    Args:
        keys: int64 [N, 3], as `keys` makes them.
        shape: of one sample, at most 2**34 elements; element e is counted in the order of this shape.
        dtype: one of DTYPES.
        device: of the result; None for that of `keys`.

    Raises:
        ValueError: keys, a shape or a dtype other than these.
    """
    return _draw(keys, shape, dtype, device, gaussian=True)


def uniform(
    keys: Tensor,
    shape: Sequence[int],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Uniform multiples of 2**-24 in [0, 1) -> [N, *shape]; half types round, to 1 as well.

    Arguments, memory, errors: as those of `normal`.
    """
    return _draw(keys, shape, dtype, device, gaussian=False)


def random_ref(keys: Tensor, count: int, dtype: torch.dtype, gaussian: bool) -> Tensor:
    """The definition, in plain PyTorch on any device -> [N, count].

    Box and Muller 1958: the first word of a pair gives the radius sqrt(-2 log u), where u in (0, 1] is the
    middle of one of 2**31 equal cells, rounded to float32; the second gives a side of the square around the
    circle in its first two bits, and within that side an angle from -pi/4 to pi/4 of 2**30 equal steps in
    the others.
    """
    seed_stream, nimg, sample = keys[:, None].unbind(2)  # [N, 1] each
    blocks = torch.arange(-(-count // 4), device=keys.device)
    counter = (blocks[None], sample & _WORD, nimg & _WORD, nimg >> 32 & _WORD)
    words = philox(counter, (seed_stream & _WORD, seed_stream >> 32 & _WORD))
    if gaussian:
        parts = [*_box_muller(*words[:2]), *_box_muller(*words[2:])]
    else:
        parts = [(word >> 8).float() * 2.0**-24 for word in words]
    return torch.stack(parts, dim=2).flatten(1)[:, :count].to(dtype).contiguous()


def philox(counter: Sequence[Tensor], key: Sequence[Tensor]) -> list[Tensor]:
    """Philox4x32-10 of four words of a counter and two of a key -> four words.

    A word is an int64 in [0, 2**32); all broadcast against each other.
    """
    a, b, c, d = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        high_a, low_a = _product(a, _MULTIPLIERS[0])
        high_c, low_c = _product(c, _MULTIPLIERS[1])
        a, b, c, d = high_c ^ b ^ k0, low_c, high_a ^ d ^ k1, low_a
        k0, k1 = (k0 + _WEYL[0]) & _WORD, (k1 + _WEYL[1]) & _WORD
    return [a, b, c, d]


def _product(word: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """High and low word of a product of words, in steps that int64 holds."""
    upper = (word >> 16) * factor
    lower = (word & 0xFFFF) * factor + ((upper & 0xFFFF) << 16)
    return (upper >> 16) + (lower >> 32), lower & _WORD


def _box_muller(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Two normal numbers, float32, from two words."""
    radius = ((first | 1).float() * 2.0**-32).log().mul(-2).sqrt()
    angle = (((second & 2**30 - 1) * 2 + 1 - 2**30).float()) * (math.pi * 2.0**-32)
    across, along = radius * angle.cos(), radius * angle.sin()
    across = torch.where((second >> 31).bool(), -across, across)
    turned = (second >> 30 & 1).bool()
    return torch.where(turned, along, across), torch.where(turned, across, along)


def _draw(
    keys: Tensor, shape: Sequence[int], dtype: torch.dtype, device: torch.device | str | None, gaussian: bool
) -> Tensor:
    if keys.ndim != 2 or keys.shape[1] != 3 or keys.dtype != torch.int64:
        raise ValueError(f"keys must be int64 [N, 3]; got {list(keys.shape)} of {keys.dtype}")
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(map(str, DTYPES))}; got {dtype}")
    count = math.prod(shape)
    if any(size < 0 for size in shape) or count > 2**34:
        raise ValueError(f"shape must have 0 to 2**34 elements; got {list(shape)}")
    if device is not None:
        keys = keys.to(device, non_blocking=True)
    if serves(dtype, keys.device):
        values = call("random", keys, count, dtype, gaussian)
    else:
        values = random_ref(keys, count, dtype, gaussian)
    return values.view(keys.shape[0], *shape)


def _check_range(name: str, number: int, limit: int) -> None:
    if not 0 <= number < limit:
        raise ValueError(f"{name} must be in [0, 2**{limit.bit_length() - 1}); got {number}")


record(
    Operator(
        "random",
        fake=lambda keys, count, dtype, _: keys.new_empty((keys.shape[0], count), dtype=dtype),
        twin=random_ref,
        samples=lambda *_: (0,),
    )
)
