"""Scores once more, by their definitions, in NumPy and float64, as plainly as they can be written.

x: real rows [N, D], y: fake rows [M, D].
"""

import numpy as np
from scipy.linalg import sqrtm


def frechet(x, y, ddof=1, half=()):
    """Squared distance of the means, and trace of A + B - 2 (A B)^(1/2). half: sets with a float32 mean."""
    means = [
        rows.astype(np.float32).mean(0, dtype=np.float32).astype(float) if name in half else rows.mean(0)
        for name, rows in (("real", x), ("fake", y))
    ]
    a, b = (np.atleast_2d(np.cov(rows.T, ddof=ddof)) for rows in (x, y))
    return ((means[0] - means[1]) ** 2).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)


def frechet_infinity(x, y, seed=0, ddof=1):
    """Intercept of the least-squares line in 1 / n through the distances of 15 random subsets."""
    rng = np.random.RandomState(seed)
    sizes = [int(n) for n in np.linspace(5_000, len(y), 15)]
    found = [frechet(x, y[rng.choice(len(y), n, replace=False)], ddof) for n in sizes]
    t = 1 / np.array(sizes)
    slope = ((t - t.mean()) * (found - np.mean(found))).sum() / ((t - t.mean()) ** 2).sum()
    return np.mean(found) - slope * t.mean()


def kernel(x, y, seed=0, subsets=100, size=1_000):
    """Mean and population deviation of the unbiased MMD^2 of random subsets, fakes drawn before reals."""
    rng, found = np.random.RandomState(seed), []
    n = min(size, len(x), len(y))
    for _ in range(subsets):
        b = y[rng.choice(len(y), n, replace=False)]
        a = x[rng.choice(len(x), n, replace=False)]
        aa, bb, ab = ((p @ q.T / x.shape[1] + 1) ** 3 for p, q in ((a, a), (b, b), (a, b)))
        within = (aa.sum() - np.trace(aa) + bb.sum() - np.trace(bb)) / (n * (n - 1))
        found.append(within - 2 * ab.mean())
    return np.mean(found), np.std(found)


def inception(logits, splits=10, shuffle=None):
    """exp of the mean divergence from the mean, averaged over the splits."""
    order = np.arange(len(logits))
    if shuffle is not None:
        order = np.random.RandomState(shuffle).permutation(len(logits))
    p = np.exp(logits - logits.max(1, keepdims=True))[order]
    p /= p.sum(1, keepdims=True)
    found = []
    for i in range(splits):
        part = p[i * len(p) // splits : (i + 1) * len(p) // splits]
        found.append(np.exp((part * np.log(part / part.mean(0))).sum(1).mean()))
    return np.mean(found), np.std(found)


def distances(x, y):
    """Squared, [N, M]."""
    return ((x[:, None] - y[None]) ** 2).sum(-1)


def radii(x, k):
    """Squared distance to the k-th nearest other."""
    return np.sort(distances(x, x), 1)[:, k]


def manifold(x, y, k, strict):
    """precision, recall, density, coverage."""
    inside = np.less if strict else np.less_equal
    d = distances(x, y)
    in_real, in_fake = inside(d, radii(x, k)[:, None]), inside(d, radii(y, k)[None])
    precision, recall = in_real.any(0).mean(), in_fake.any(1).mean()
    return precision, recall, in_real.sum() / (k * len(y)), in_real.any(1).mean()


def vendi(x):
    """exp of the entropy of the eigenvalues of the cosine similarities over their number."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(unit @ unit.T / len(x))
    values = values[values > 1e-15]
    return np.exp(-(values * np.log(values)).sum())


def authentic(x, y):
    """Percentage of fakes that are further from their nearest real than that is from its nearest other."""
    d, own = distances(x, y), radii(x, 1)
    return 100 * np.mean([d[:, j].min() > own[d[:, j].argmin()] for j in range(len(y))])


def modes(real_logits, fake_logits):
    """Classes that appear among the fakes, and KL of their frequencies from the reals'."""
    p, q = (np.bincount(z.argmax(1), minlength=z.shape[1]) / len(z) for z in (fake_logits, real_logits))
    with np.errstate(divide="ignore", invalid="ignore"):
        return (p > 0).sum(), np.where(p > 0, p * np.log(p / q), 0).sum()
