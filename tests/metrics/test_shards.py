"""Rows that several processes share: the digits of one, and no more than a share and a few blocks in each."""

import weakref

import numpy as np
import pytest
import torch

from metrics import cache, frechet_distance, inception_score, kept, kernel_distance, shards
from metrics.blockwise import BlockFrechet, BlockInception, BlockKernel, BlockVendi
from metrics.diversity import vendi_score
from metrics.features import Bank
from metrics.frechet_infinity import fid_infinity
from metrics.images import BATCH, ArrayImages
from metrics.influence import of_authenticity, of_frechet, of_inception, of_kernel, of_manifold, of_vendi
from metrics.jackknife import replicates
from metrics.measure import Statistic, measure
from metrics.memorisation import memorisation
from metrics.modes import mode_coverage
from metrics.neighbour_blocks import authenticity_blocks, manifold_blocks
from metrics.precision_recall import manifold_scores
from metrics.rows import as_rows, nearest
from metrics.shards import Shards
from tests.metrics.fellows import Fellows
from tests.metrics.standins import DIM, Standins, pictures

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")
SMALL = 16  # rows of a block, so that there are several
SCORES = {
    "neighbours": lambda p, q: nearest(as_rows(q, ""), as_rows(p, ""), 3),
    "frechet": frechet_distance,
    "infinity": lambda p, q: fid_infinity(p, q, smallest=30, points=5),
    "kid": lambda p, q: kernel_distance(p, q, subsets=5, subset_size=40),
    "mmd": lambda p, q: kernel_distance(p, q, subsets=None),
    "inception": lambda p, q: inception_score(q, logits=True, splits=3, shuffle_seed=1),
    "balls": lambda p, q: manifold_scores(p, q, (3, 5), strict=True),
    "copies": lambda p, q: memorisation(p, q, k=2),
    "modes": lambda p, q: mode_coverage(q, p),
    "vendi": lambda p, q: (vendi_score(q), vendi_score(q.at(torch.arange(5)) if len(q) > 9 else q)),
    "of frechet": of_frechet,
    "of kernel": of_kernel,
    "of vendi": lambda p, q: of_vendi(q),
    "of manifold": lambda p, q: of_manifold(p, q, 3),
    "of authenticity": of_authenticity,
    "of inception": lambda p, q: of_inception(q),
    "frechet blocks": lambda p, q: replicates(BlockFrechet(p, q)),
    "kernel blocks": lambda p, q: replicates(BlockKernel(p, q)),
    "inception blocks": lambda p, q: replicates(BlockInception(q)),
    "vendi blocks": lambda p, q: replicates(BlockVendi(q)),
    "manifold blocks": lambda p, q: [replicates(score) for score in manifold_blocks(p, q, 3).values()],
    "authenticity blocks": lambda p, q: replicates(authenticity_blocks(p, q)),
}


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(shards, "BLOCK", SMALL)


def drawn(count, seed=0, dim=7) -> torch.Tensor:
    x = np.random.RandomState(seed).standard_normal((count, dim)) + 0.3 * seed
    return torch.from_numpy(x.astype(np.float32))


def shared(rows, owner, rank) -> Shards:
    return Shards.of(rows[owner == rank], owner)


def digits(found) -> list:
    """All numbers of a result, in the order of its fields."""
    if isinstance(found, torch.Tensor):
        return found.tolist()
    if isinstance(found, dict):
        return [digits(value) for value in found.values()]
    return [digits(part) for part in found] if isinstance(found, tuple | list) else found


@pytest.mark.parametrize("world", [2, 3])
def test_scores_of_shared_rows_have_the_digits_of_one_process(world, small_blocks, monkeypatch):
    """However unevenly they are shared: the last process of three has none of the reals, and few fakes."""
    real, fake = drawn(150), drawn(97, 1)
    whole = {name: digits(score(Shards(real), Shards(fake))) for name, score in SCORES.items()}
    fellows, rng = Fellows(world, monkeypatch), np.random.RandomState(0)
    owners = [torch.from_numpy(rng.randint(0, 2, len(real))), torch.from_numpy(rng.binomial(2, 0.3, 97))]
    owners[1].clamp_(max=world - 1)

    def scored():
        p, q = (shared(rows, owner, fellows.rank()) for rows, owner in zip((real, fake), owners, strict=True))
        return {name: digits(score(p, q)) for name, score in SCORES.items()}

    for found in fellows.run(scored):
        assert not [name for name in SCORES if found[name] != whole[name]]
    assert {2} - set(owners[1].tolist()) == ({2} if world == 2 else set())


@pytest.mark.parametrize("count", [2, 5, SMALL, 40])
def test_fewer_rows_than_processes_or_blocks(count, small_blocks, monkeypatch):
    rows, fellows = drawn(count), Fellows(3, monkeypatch)
    owner = torch.arange(count) % 2

    def work():
        own = shared(rows, owner, fellows.rank())
        part = own.at(torch.arange(count).flip(0)[: fellows.rank() * count // 2])  # each asks for others
        return own.whole(), part.whole(), [start for start, _ in part.blocks()]

    for rank, (found, part, starts) in enumerate(fellows.run(work)):
        assert torch.equal(found, rows)
        assert torch.equal(part, rows.flip(0)[: rank * count // 2])
        assert starts == list(range(0, count, SMALL))


def test_a_value_that_is_infinite_is_refused_by_all(monkeypatch):
    rows, fellows = drawn(9), Fellows(3, monkeypatch)
    rows[4, 2] = torch.inf

    def work():
        with pytest.raises(ValueError, match="^real: some values"):
            as_rows(shared(rows, torch.arange(9) % 3, fellows.rank()), "real")

    fellows.run(work)


@pytest.mark.parametrize(("world", "count"), [(2, 230), (3, 230), (3, 700), (3, 5)])
def test_a_process_keeps_the_rows_that_it_made(world, count, monkeypatch):
    """None of them travels where only rows are kept; as many images as a batch has are one's at most."""
    images, networks = ArrayImages(pictures(count, 0)), Standins()
    wanted = Statistic("untrained", "pool", "bank", count - 1)
    networks[wanted.extractor]

    def measured():
        return measure(images, [wanted], networks, lambda n: None)[wanted]

    whole, fellows = measured().features, Fellows(world, monkeypatch)
    banks = fellows.run(measured)
    assert not fellows.fetched and not fellows.told
    kept_rows = [len(bank.rows.own) for bank in banks]
    assert sum(kept_rows) == count - 1 and max(kept_rows) <= (count - 1) / world + BATCH
    assert [bank.count for bank in banks] == [count - 1] * world
    assert all(torch.equal(found, whole) for found in fellows.run(lambda: banks[fellows.rank()].features))


def test_moments_beside_rows_are_those_of_all(monkeypatch):
    images, networks = ArrayImages(pictures(230, 0)), Standins()
    wanted = [Statistic("untrained", "pool", keep, 200) for keep in ("moments", "bank")]
    networks["untrained"]

    def measured():
        return list(measure(images, wanted, networks, lambda n: None).values())

    alone, fellows = measured(), Fellows(3, monkeypatch)
    for moments, bank in fellows.run(measured):
        assert torch.equal(moments.outer, alone[0].outer) and len(bank.rows.own) <= BATCH


def test_what_is_kept_of_reals_is_shared_again(monkeypatch, tmp_path):
    """In parts, of which the first process alone writes and reads; without one of them there is nothing."""
    monkeypatch.setenv("GAN_CACHE", str(tmp_path))
    monkeypatch.setattr("metrics.features.PART", 2 * BATCH)
    rows, fellows = drawn(230, dim=DIM), Fellows(3, monkeypatch)
    key = kept.key_of(Statistic("untrained", "pool", "bank", None), Standins()["untrained"], "ab", "")

    def stored():
        found = Bank.from_state({"features": rows}).dealt()
        kept.store(key, found)
        return kept.load(key)

    for bank in fellows.run(stored):
        assert bank.count == 230 and len(bank.rows.own) <= 2 * BATCH
    banks = fellows.run(lambda: kept.load(key).merge(kept.load(key)).features)
    assert all(torch.equal(found, rows.repeat(2, 1)) for found in banks)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    cache._path({**key, "rows": "1"}).unlink()
    assert fellows.run(lambda: kept.load(key)) == [None] * 3


@pytest.mark.parametrize("world", [2, 3])
def test_no_process_holds_more_than_a_few_blocks_beside_its_share(world, small_blocks, monkeypatch):
    """Of all that is fetched, at most so many rows are there at any time."""
    live, most = [0] * world, [0] * world
    fetched, fellows = Shards._fetched, Fellows(world, monkeypatch)

    def spied(self, owner, place):
        rows, rank = fetched(self, owner, place), fellows.rank()
        live[rank] += len(rows)
        most[rank] = max(most[rank], live[rank])
        weakref.finalize(rows, gone, rank, len(rows))
        return rows

    def gone(rank, count):
        live[rank] -= count

    monkeypatch.setattr(Shards, "_fetched", spied)
    real, fake = drawn(9 * SMALL + 5), drawn(10 * SMALL, 1)
    whole = [name for name in SCORES if name not in ("kid", "vendi", "infinity")]

    def scored():
        p, q = (shared(x, torch.arange(len(x)) % world, fellows.rank()) for x in (real, fake))
        for name in whole:
            SCORES[name](p, q)
            assert most[fellows.rank()] <= 3 * SMALL, name

    fellows.run(scored)
    assert max(live) == 0 and min(most) >= SMALL and fellows.fetched > len(real)
