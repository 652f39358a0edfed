"""What a training step asks of a GPU, counted: a ceiling, so that it does not grow unnoticed."""

from collections import Counter

import pytest
import torch

from benchmarks import launches
from training.objectives import objectives

WIDTHS = "channel_base=512", "channel_max=16"  # a 32nd of those of stylegan2-small
NARROW = tuple(f"{network}.{key}" for network in ("generator", "discriminator") for key in WIDTHS)
CASES = {
    "tiny at 32x32": ("stylegan2-tiny", 32, (), 592),
    "stylegan2-small at 64x64": ("stylegan2-small", 64, ("batch=4", *NARROW), 688),
}


@pytest.mark.parametrize("case", CASES)
def test_operations_of_a_step(case):
    preset, resolution, settings, most = CASES[case]
    state = launches.prepared(preset, resolution, settings)
    found = launches.launches(state)
    assert found.keys() == {"around", *(o.name for o in objectives(state.config.loss))}
    mean = launches.per_step(state, found)
    assert 0.9 * most < sum(mean.values()) <= most


def test_what_is_counted():
    with launches.Launches() as seen:
        x = torch.empty(4, 4).fill_(1)
        torch._foreach_add_([x.view(2, 8), x.T], 1)
        x @ x[0]
    assert seen.found == Counter({"fill_": 1, "_foreach_add_": 1, "mv": 1})


def test_phases_count_as_often_as_they_are_due():
    state = launches.prepared("stylegan2-tiny", 8)
    found = {"d": Counter(a=3), "r1": Counter(a=4, b=2)}
    assert launches.per_step(state, found) == {"a": 4, "b": 0.5}  # R1 in every fourth step
