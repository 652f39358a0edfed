"""ops.random: published answers, its definition, distributions, and what its numbers may not depend on."""

import hashlib
import math

import pytest
import torch

from ops import random
from ops.library import serves

WORD = 2**32 - 1
FUNCTIONS = [random.uniform, random.normal]
SHAPES = [(), (1,), (4,), (5, 7), (3, 4, 4), (1023,), (2053,), (2, 1024), (0,), (3, 0)]
NORMALS = "89f8124ad0b97805"  # SHA-256 of 50 samples of 1001 numbers, computed by the kernel for the CPU


def drawn(device, n=4096, count=256, draw=random.normal, **changed):
    """[n, count] of samples 0 to n - 1, in float64 for sums."""
    numbers = {"seed": 11, "nimg": 10**7, "samples": range(n), "stream": 2, **changed}
    return draw(random.keys(**numbers), (count,), device=device).double()


def bits_apart(x, y):
    """Units in the last place between float32 numbers."""
    ordered = [t.contiguous().view(torch.int32).long() for t in (x, y)]
    ordered = [torch.where(bits < 0, -(bits & 2**31 - 1), bits) for bits in ordered]
    return (ordered[0] - ordered[1]).abs()


def wild_keys(device, n=5):
    """Keys in which every bit is in use."""
    return torch.randint(-(2**63), 2**63 - 1, (n, 3), device=device)


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([WORD] * 4, [WORD] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_known_answers(counter, key, answer, device):
    """Those published with the paper (Random123, kat_vectors, philox4x32 with 10 rounds)."""
    words = random.philox(torch.tensor(counter, device=device), torch.tensor(key, device=device))
    assert [int(word) for word in words] == answer


def test_known_answer_through_the_operator(device):
    first = random.uniform(random.keys(0, 0, [0], 0), (4,), device=device)
    answer = [word >> 8 for word in (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)]
    assert (first[0] * 2**24).tolist() == answer


def test_layout_of_keys_and_counters(device):
    """Each number has its own words; sample and images seen are not summed, or neighbours would collide."""
    seed, stream, nimg, sample = 2**32 - 2, 2**31 - 3, 2**62 + 12345678901, 2**32 - 5
    keys = random.keys(seed, nimg, [7, sample], stream)
    assert keys.tolist() == [[seed + stream * 2**32, nimg, number] for number in (7, sample)]
    counter = torch.tensor([2, sample, nimg % 2**32, nimg // 2**32], device=device)
    words = random.philox(counter, torch.tensor([seed, stream], device=device))
    third_block = random.uniform(keys, (12,), device=device)[1, 8:]
    assert (third_block * 2**24).tolist() == [int(word) >> 8 for word in words]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", random.DTYPES, ids=str)
def test_same_as_the_definition(shape, dtype, device):
    keys, count = wild_keys(device), math.prod(shape)
    for draw in FUNCTIONS:
        values = draw(keys, shape, dtype)
        assert values.shape == (5, *shape) and values.dtype == dtype and values.is_contiguous()
        single = draw(keys, shape)
        assert torch.equal(values, single.to(dtype))
        expected = random.random_ref(keys, count, torch.float32, draw is random.normal).view_as(single)
        if draw is random.uniform:
            assert torch.equal(single, expected)
        elif count:
            assert bits_apart(single, expected).max() <= 8


def test_more_elements_than_one_launch_has_threads_for(device):
    keys, count = wild_keys(device, 2), 2_200_001
    expected = random.random_ref(keys, count, torch.float16, False)
    assert torch.equal(random.uniform(keys, (count,), torch.float16), expected)


def test_normal_numbers_are_the_same_bits_on_every_device(device):
    if not serves(torch.float32, device):
        pytest.skip("the definition takes its logarithm, sine and cosine from PyTorch")
    values = random.normal(random.keys(3, 2**33 + 5, range(50), 1), (1001,), device=device).cpu()
    assert hashlib.sha256(values.numpy().tobytes()).hexdigest()[:16] == NORMALS


def test_normal_numbers_of_every_word_are_finite(device):
    ends = torch.tensor([0, 1, 2**30 - 1, 2**30, 2**31 - 1, 2**31, WORD - 1, WORD], device=device)
    pairs = torch.cartesian_prod(ends, ends)
    x, y = random._box_muller(*pairs.unbind(1))
    radius = torch.hypot(x, y)
    assert radius.isfinite().all() and radius.max() < 6.7
    torch.testing.assert_close(radius.max().item(), math.sqrt(64 * math.log(2)))


@pytest.mark.parametrize("draw", FUNCTIONS)
def test_a_sample_does_not_depend_on_the_others(draw, device):
    keys = random.keys(5, 640, range(12), 3).to(device)
    together = draw(keys, (3, 35))
    for i in range(12):
        assert torch.equal(draw(keys[i : i + 1], (3, 35))[0], together[i])
    order = torch.randperm(12).to(device)
    assert torch.equal(draw(keys[order], (3, 35)), together[order])
    assert torch.equal(draw(keys[::3], (3, 35)), together[::3])
    ranks = [draw(random.keys(5, 640, range(rank, 12, 4), 3), (3, 35), device=device) for rank in range(4)]
    assert torch.equal(torch.stack(ranks, dim=1).flatten(0, 1), together)
    assert torch.equal(draw(keys, (70,)), together.flatten(1)[:, :70])  # nor an element on what follows it


def test_samples_as_tensor_and_sequence(device):
    expected = random.keys(1, 2, [4, 0, 9], 3)
    for samples in (torch.tensor([4, 0, 9]), torch.tensor([4, 0, 9], dtype=torch.int32), (4, 0, 9)):
        assert torch.equal(random.keys(1, 2, samples, 3), expected)
    assert random.keys(1, 2, torch.tensor([4], device=device), 3).device.type == device.type
    assert random.keys(1, 2, [], 3).shape == (0, 3)
    assert random.normal(random.keys(1, 2, [], 3), (2, 3), device=device).shape == (0, 2, 3)


def test_moments_of_normal_numbers(device):
    """Each bound is five standard deviations of its estimate."""
    x, n = drawn(device), 4096 * 256
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        assert abs(x.pow(power).mean().item() - moment) < 5 * math.sqrt(variance / n)
    assert 4.5 < x.abs().max() < 6.7


def test_moments_of_uniform_numbers(device):
    x, n = drawn(device, draw=random.uniform), 4096 * 256
    assert x.min() >= 0 and x.max() < 1
    assert abs(x.mean().item() - 0.5) < 5 / math.sqrt(12 * n)
    assert abs(x.square().mean().item() - 1 / 3) < 5 * math.sqrt(4 / 45 / n)


@pytest.mark.parametrize("draw", FUNCTIONS)
@pytest.mark.parametrize("lanes", [slice(None), slice(0, None, 4), slice(1, None, 4), slice(2, None, 4)])
def test_chi_square(lanes, draw, device):
    """Over 256 cells of equal probability, of all elements and of every word of a block; 5 sigma."""
    x = drawn(device, draw=draw)[:, lanes].flatten()
    if draw is random.normal:
        x = torch.special.ndtr(x)
    counts = (x * 256).long().bincount(minlength=256).double()
    expected = x.numel() / 256
    assert abs((counts - expected).square().sum().item() / expected - 255) < 5 * math.sqrt(2 * 255)


def test_neighbours_are_not_correlated(device):
    """Values and squares of the next element, pair, sample, stream, seed and images seen; 5 sigma."""
    x = drawn(device)
    others = [drawn(device, stream=3), drawn(device, seed=12), drawn(device, nimg=10**7 + 1)]
    others += [drawn(device, nimg=10**7 + 2**32)]
    pairs = [(x, other) for other in others] + [(x[1:], x[:-1])]
    pairs += [(x[:, lag:], x[:, :-lag]) for lag in (1, 2, 4)]
    for a, b in pairs:
        bound = 5 / math.sqrt(a.numel())
        assert abs((a * b).mean().item()) < bound
        assert abs(((a.square() - 1) * (b.square() - 1)).mean().item()) < 2 * bound


def test_no_state_is_touched_and_no_gradient_kept(device):
    before = torch.get_rng_state()
    keys = random.keys(0, 0, range(3), 0)
    for draw in FUNCTIONS:
        assert torch.equal(draw(keys, (5,), device=device), draw(keys, (5,), device=device))
        assert not draw(keys, (5,), device=device).requires_grad
    assert torch.equal(torch.get_rng_state(), before)


def test_threads_do_not_change_the_numbers():
    keys, threads, found = wild_keys("cpu", 3), torch.get_num_threads(), []
    for count in (1, 3):
        torch.set_num_threads(count)
        try:
            found.append(random.normal(keys, (70_001,)))
        finally:
            torch.set_num_threads(threads)
    assert torch.equal(*found)


@pytest.mark.parametrize("draw", FUNCTIONS)
def test_compiles_in_one_graph(draw, device):
    def latents(samples, nimg):
        return draw(random.keys(1, nimg, samples, 2), (6, 5)) * 2

    compiled = torch.compile(latents, fullgraph=True, backend="aot_eager")
    for n, nimg in ((3, 64), (4, 128), (7, 2**40)):
        samples = torch.arange(n, device=device)
        assert torch.equal(compiled(samples, nimg), latents(samples, nimg))


@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("dtype", random.DTYPES, ids=str)
def test_operator_keeps_its_promises(dtype, gaussian, device):
    if serves(dtype, device):
        arguments = wild_keys(device), 7, dtype, gaussian
        torch.library.opcheck(torch.ops.gan.random.default, arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 2**32}, r"seed must be in \[0, 2\*\*32\); got 4294967296"),
        ({"seed": -1}, "seed"),
        ({"nimg": 2**63}, r"nimg must be in \[0, 2\*\*63\)"),
        ({"stream": 2**31}, "stream"),
        ({"samples": [0, -1]}, "samples must be in .* got -1"),
        ({"samples": torch.zeros(2, 2, dtype=torch.int64)}, r"\[N\] integers"),
        ({"samples": torch.zeros(2)}, r"\[N\] integers"),
    ],
)
def test_refusals_of_keys(changed, message):
    numbers = {"seed": 1, "nimg": 2, "samples": [0], "stream": 3, **changed}
    with pytest.raises(ValueError, match=message):
        random.keys(**numbers)


@pytest.mark.parametrize(
    ("keys", "shape", "dtype", "message"),
    [
        (torch.zeros(2, 2, dtype=torch.int64), (3,), torch.float32, r"int64 \[N, 3\]"),
        (torch.zeros(2, 3), (3,), torch.float32, r"int64 \[N, 3\]"),
        (torch.zeros(2, 3, dtype=torch.int64), (3,), torch.int32, "dtype"),
        (torch.zeros(2, 3, dtype=torch.int64), (-1,), torch.float32, "shape"),
        (torch.zeros(2, 3, dtype=torch.int64), (2**20, 2**15), torch.float32, "shape"),
    ],
)
def test_refusals_of_draws(keys, shape, dtype, message):
    with pytest.raises(ValueError, match=message):
        random.normal(keys, shape, dtype)
