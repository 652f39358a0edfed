"""What is reported of every step of D."""

from types import SimpleNamespace

import torch

from training.objectives import deviation, observed


def test_deviation_is_that_of_torch(close):
    x = torch.rand(5, 3, 4, 4, dtype=torch.float64)
    close(deviation(x, dim=0), x.std(dim=0))
    close(deviation(x, dim=1), x.std(dim=1))


def test_diversity_compares_fakes_with_reals(close):
    """Half the spread at every pixel, whatever the means."""
    real = torch.rand(4, 3, 2, 2)
    context = SimpleNamespace(
        real=real,
        fake=real / 2 + 7,
        real_logits=torch.tensor([1.0, 3.0]),
        fake_logits=torch.tensor([-1.0, -2.0]),
    )
    found = observed(context)
    close(found["diversity"].values, torch.tensor(0.5))
    assert found["logits/real"].values == 2 and found["logits/fake"].values == -1.5
    assert all(term.weight == 0 for term in found.values())
