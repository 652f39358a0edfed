"""What a graph computes is what Python would: by a tape of operators, on the CPU; and what has no graph."""

import pytest
import torch

from gan.config import override
from gan.errors import UsageError
from tests.training.tape import Taped
from tests.training.test_presets import small
from training import passes
from training.graphs import WARM, Graphs, described, graphs_of, refusal
from training.loop import advance
from training.recipes import fit
from training.state import create
from training.step import train_step

STEPS = WARM + 3
ON = torch.device("cuda")
CASES = {
    "stylegan2": ("stylegan2-tiny", ["loss.r1_interval=2", "generator.use_noise=true"]),
    "styles mixed, lengths of paths": (
        "stylegan2",
        ["loss.r1_interval=1", "loss.path_length_interval=1", "loss.path_length_weight=2"],
    ),
    "lecam": ("stylegan2-tiny", ["loss.lecam_weight=0.1", "loss.r1_interval=null"]),
    "sngan": ("sngan-32", []),
    "r3gan": ("r3gan-64", ["augment.name=none", "loss.r1_gamma=1"]),
    "projected": ("demo", ["augment={name: none, policy: null}"]),
}


def states(case, *more):
    preset, settings = CASES[case]
    config = override(small(preset, "x.zip", "loss.d_steps=1"), [*settings, *more])
    config = fit(config, shape=(3, 32, 32), c_dim=3)
    return [create(config, "cpu") for _ in range(2)]


def trained(state, steps):
    """All terms of the steps, on images and labels that follow from the step."""
    found = []
    for step in range(steps):
        rng = torch.Generator().manual_seed(step)
        real = (torch.rand(4, 3, 32, 32, generator=rng) * 2 - 1).to(state.device)
        c = torch.eye(3)[torch.randint(3, (4,), generator=rng)].to(state.device)
        found.append(train_step(state, real, c))
        advance(state)
    return found


@pytest.mark.parametrize("case", CASES)
def test_steps_by_graph_are_those_of_python(case):
    plain, taped = states(case)
    taped.graphs = Graphs(recorder := Taped())
    want, got = trained(plain, STEPS), trained(taped, STEPS)
    assert recorder.recorded == len({k.partition("_")[0] for k in taped.graphs._recorded}) >= 2
    assert [terms.keys() for terms in got] == [terms.keys() for terms in want]
    for one, other in zip(want, got, strict=True):
        assert all(one[name].equal(other[name]) for name in one)
    assert all(a.equal(b) for a, b in zip(plain.weights(), taped.weights(), strict=True))
    assert plain.memory.keys() == taped.memory.keys()
    assert all(plain.memory[name].equal(taped.memory[name]) for name in plain.memory)
    assert not got[-1]["loss/g"].equal(got[-2]["loss/g"])


@pytest.mark.needs_gpu
def test_steps_by_a_graph_of_cuda_are_those_of_python():
    config = fit(
        small("stylegan2-tiny", "x.zip", "loss.d_steps=1", "loss.r1_interval=2"), shape=(3, 32, 32), c_dim=3
    )
    plain, graphs = (create(override(config, [f"cuda_graphs={on}"]), ON) for on in ("false", "true"))
    for one, other in zip(trained(plain, STEPS), trained(graphs, STEPS), strict=True):
        assert all(torch.allclose(one[name], other[name], rtol=1e-3, atol=1e-5) for name in one)


def test_a_number_of_the_host_is_seen_to_be_the_old_one(monkeypatch):
    """The tape would find an objective that reads the count of images by Python."""
    judged = passes.seen
    monkeypatch.setattr(
        passes, "seen", lambda state, images, draws: judged(state, images, draws) * (1 + state.nimg)
    )
    plain, taped = states("sngan")
    taped.graphs = Graphs(Taped())
    want, got = trained(plain, WARM + 2), trained(taped, WARM + 2)
    assert want[WARM - 1]["loss/d"].equal(got[WARM - 1]["loss/d"])
    assert not want[-1]["loss/d"].equal(got[-1]["loss/d"])


def test_a_value_that_is_looked_at_ends_the_recording():
    with pytest.raises(AssertionError, match="cannot look"):
        Taped().record(lambda: torch.ones(1).item())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (["augment.name=diffaugment"], "augment.name must be none"),
        (["loss.blur_sigma=10"], "loss.blur_sigma must be 0"),
        (["loss.r1_gamma={start: 1, end: 2, kimg: 1}"], "loss.r1_gamma must be one number"),
        (["precision=fp16"], "precision must be float32 or bf16"),
        (["micro_batch=2"], "micro_batch must be null"),
        (["checkpoint_activations=true"], "checkpoint_activations must be false"),
        (["loss.name=given:Mine"], "own losses"),
    ],
)
def test_what_has_no_graph(settings, reason):
    config = override(small("stylegan2-tiny", "x.zip"), settings)
    assert reason in refusal(config, ON)
    with pytest.raises(UsageError, match="set cuda_graphs to auto, or to false"):
        graphs_of(override(config, ["cuda_graphs=true"]), ON)
    auto = override(config, ["cuda_graphs=auto"])
    assert graphs_of(auto, ON) is None and reason in described(auto, ON)
    assert described(config, ON) == ""


def test_graphs_are_of_cuda():
    config = small("stylegan2-tiny", "x.zip", "cuda_graphs=true")
    assert refusal(config, ON) is None and described(config, ON) == ", in CUDA graphs"
    with pytest.raises(UsageError, match="this run is on cpu"):
        create(config)


def test_they_are_made_where_they_are_asked_for(monkeypatch):
    monkeypatch.setattr("training.graphs.OnCuda", Taped)
    config = small("stylegan2-tiny", "x.zip")
    made = {
        value: graphs_of(override(config, [f"cuda_graphs={value}"]), ON)
        for value in ("false", "auto", "true")
    }
    assert {value: type(graphs) for value, graphs in made.items()} == {
        "false": type(None),
        "auto": Graphs,
        "true": Graphs,
    }
