"""Moments and Bank: sums against NumPy, merging, state, order."""

import numpy as np
import pytest
import torch

from gan import distributed
from metrics.features import KEEPS, STRIP, Bank, Moments


def rows(n=50, d=5) -> torch.Tensor:
    return torch.randn(n, d) * 3 + 7


def filled(keep, *parts):
    store = KEEPS[keep](parts[0].shape[1])
    for part in parts:
        store.add(part)
    return store


@pytest.mark.parametrize("ddof", [0, 1])
def test_moments_are_numpys(ddof, close):
    x = rows()
    moments = filled("moments", x)
    close(moments.mean, torch.from_numpy(x.double().numpy().mean(axis=0)))
    close(moments.cov(ddof), torch.from_numpy(np.cov(x.double().numpy().T, ddof=ddof)))
    assert (moments.count, moments.dim, moments.cov().dtype) == (50, 5, torch.float64)


def test_float64_sums_survive_a_large_offset():
    x = (rows(4000, 2) + 1e4).double()
    got, want = filled("moments", *x.split(7)).cov(), np.cov(x.numpy().T)
    assert np.allclose(got, want, rtol=1e-5)  # float32 sums would miss the covariance altogether


@pytest.mark.parametrize("keep", KEEPS)
def test_merge_is_the_whole(keep, close):
    x = rows()
    merged = filled(keep, x[:20]).merge(filled(keep, x[20:])).state()
    whole = filled(keep, x).state()
    assert merged.keys() == whole.keys()
    for name in whole:
        close(merged[name], whole[name])


def test_merge_leaves_both_sides_alone():
    a, b = filled("moments", rows()), filled("moments", rows())
    before = {name: t.clone() for name, t in a.state().items()}
    a.merge(b).add(rows())
    assert all(torch.equal(before[name], t) for name, t in a.state().items())


def test_moments_ignore_order_and_batch_size(close):
    x = rows()
    whole = filled("moments", x)
    other = filled("moments", *x.flip(0).split(3))
    assert other.count == whole.count
    close(other.cov(), whole.cov())


def test_bank_keeps_rows_in_order():
    x = rows()
    bank = filled("bank", x[:3], x[3:3], x[3:])
    assert torch.equal(bank.features, x) and bank.count == 50
    assert Bank(4).features.shape == (0, 4)


@pytest.mark.parametrize("keep", KEEPS)
def test_state_round_trip(keep):
    store = filled(keep, rows())
    again = KEEPS[keep].from_state(store.state())
    assert again.count == store.count and again.dim == store.dim
    assert all(torch.equal(t, again.state()[name]) for name, t in store.state().items())


def test_too_few_images_for_a_covariance():
    with pytest.raises(ValueError, match="at least 2 needed"):
        filled("moments", rows(1)).cov()
    assert Moments(3).dim == 3


def test_strips_of_several_processes_are_those_of_one(monkeypatch):
    """Bit for bit; the last strip is not full."""
    x = rows(90, 2 * STRIP + 9)
    whole, parts = filled("moments", x), [Moments(x.shape[1]) for _ in range(2)]
    for rank, part in enumerate(parts):
        part.add(x, rank, 2)
    assert not parts[0].outer[STRIP : 2 * STRIP].any() and not parts[1].outer[:STRIP].any()
    assert torch.equal(parts[0].outer + parts[1].outer, whole.outer)

    def everyones(own):
        turn = len(turns)
        turns.append(own)
        start = (2 * turn + 1) * STRIP
        other = parts[1].outer[start:][:STRIP]
        return [own, torch.cat([other, torch.zeros(STRIP - len(other), x.shape[1])])]

    turns = []
    for name, answer in (("world", lambda: 2), ("rank", lambda: 0), ("everyones", everyones)):
        monkeypatch.setattr(distributed, name, answer)
    with distributed.dealing():
        parts[0].complete()
    assert torch.equal(parts[0].outer, whole.outer) and len(turns) == 2


def test_moments_and_rows_of_a_device_go_to_another():
    x = rows()
    for keep in KEEPS:
        store = filled(keep, x)
        moved = store.to(torch.device("cpu"))
        assert moved is not store and moved.count == 50
        assert all(torch.equal(t, moved.state()[name]) for name, t in store.state().items())
    rounded = filled("moments", x).with_mean32()
    assert torch.equal(rounded.to(torch.device("cpu")).mean, rounded.mean32)
