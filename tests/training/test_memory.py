"""micro_batch: auto, with networks that run out of memory above a size, or in the middle of a step."""

import json

import pytest
import torch
from click.testing import CliRunner

from gan.cli.common import CountOrAuto
from gan.cli.train import command
from gan.config import override
from gan.errors import UsageError, UserError
from gan.jobs.run_scores import RunScorer
from tests.training.test_presets import small
from tests.training.tiny import run_training, tiny_state
from training.config import RunConfig
from training.data.images import open_dataset
from training.memory import Undo, fitting_step, next_size, probe
from training.parts import out_of_memory
from training.recipes import fit, load_preset
from training.state import create
from training.step import train_step

AUTO = (
    *("batch=8", "micro_batch=auto", "discriminator.mbstd_group=2", "loss.r1_gamma=1"),
    *("loss.path_length_weight=2", "loss.style_mixing=0.9", "augment.name=ada"),
)
ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    MemoryError(),
]


def limited(state, most, error=ERRORS[0]):
    """The discriminator fails for more than `most` images at once; returns the sizes it was given."""
    sizes = []

    def hook(_, inputs):
        sizes.append(len(inputs[0]))
        if sizes[-1] > most:
            raise error

    state.discriminator.register_forward_pre_hook(hook)
    return sizes


def held(state):
    """Everything that a step changes, copied."""
    tensors = {**state.tensors(), **{f"d.{k}": v for k, v in state.discriminator.state_dict().items()}}
    tensors |= {f"ema.{k}": v for k, v in state.ema.state_dict().items()}
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    return tensors, state.counters()


def assert_same(one, other):
    assert one[0].keys() == other[0].keys() and one[1] == other[1]
    different = [name for name, tensor in one[0].items() if not torch.equal(tensor, other[0][name])]
    assert different == []


@pytest.mark.parametrize("error", ERRORS, ids=["cuda", "cpu", "python"])
def test_the_probe_halves_until_all_phases_fit_and_leaves_no_trace(error):
    state, said = tiny_state(*AUTO), []
    before, sizes = held(state), limited(state, 4, error)
    probe(state, said.append)
    assert state.micro_batch == 2  # fakes and reals together are 4
    assert max(sizes) == 8 and max(sizes[-4:]) <= 4
    assert said == ["micro-batch 2 of 8 images: a step with every phase fits into memory"]
    assert_same(held(state), before)


def test_without_need_the_whole_share_is_passed_at_once():
    state = tiny_state(*AUTO)
    probe(state, lambda _: None)
    assert state.micro_batch is None


@pytest.mark.parametrize("failing", range(1, 4))
def test_an_interrupted_step_is_undone_and_repeated_in_halves(failing):
    """The result has the bits of a run that had that micro-batch from the start, in the second step too."""
    real, said = torch.rand(8, 3, 8, 8), []
    straight, broken = tiny_state(*AUTO), tiny_state(*AUTO)
    for state in (straight, broken):
        train_step(state, real, None)
        state.nimg += 8 * 16  # all phases are due again
    straight.micro_batch = 4
    want = train_step(straight, real, None)
    calls = []

    def hook(*_):
        calls.append(1)
        if len(calls) == failing:
            raise torch.OutOfMemoryError("CUDA out of memory")

    broken.discriminator.register_forward_pre_hook(hook)
    got = fitting_step(broken, real, None, said.append)
    assert broken.micro_batch == 4 and len(calls) == failing + 6
    [line] = said
    assert line.startswith("out of memory at 0.128 kimg with 8 images at a time: the step was undone")
    assert line.endswith("repeated with micro-batch 4")
    assert {k: float(v) for k, v in got.items()} == {k: float(v) for k, v in want.items()}
    assert_same(held(broken), held(straight))


@pytest.mark.parametrize("precision", ["float32", "fp16"])
def test_undo_restores_every_bit(precision):
    state = tiny_state(*AUTO, f"precision={precision}", "loss.lecam_weight=0.1")
    fresh = held(state)
    undo = Undo(state)
    train_step(state, torch.rand(8, 3, 8, 8), None)
    undo.restore()
    assert_same(held(state), fresh)  # the optimisers are empty again
    train_step(state, torch.rand(8, 3, 8, 8), None)
    after = held(state)
    undo = Undo(state)
    state.nimg += 8
    train_step(state, torch.rand(8, 3, 8, 8), None)
    state.nimg -= 8
    assert any(not torch.equal(t, after[0][k]) for k, t in held(state)[0].items())
    undo.restore()
    assert_same(held(state), after)
    assert all(p.grad is None for p in state.generator.parameters())


def test_sizes_keep_groups_and_total():
    config = tiny_state(*AUTO).config  # groups of 2; path length has 4 samples, so at most 4 parts
    assert [next_size(config, size) for size in (8, 4, 2)] == [4, 2, None]
    twelve = override(config, ["batch=12", "loss.path_length_weight=0"])
    assert [next_size(twelve, size) for size in (12, 6, 4, 2)] == [6, 2, 2, None]


def test_nothing_fits():
    state = tiny_state(*AUTO)
    limited(state, 1)
    with pytest.raises(UserError, match=r"out of memory at 0 kimg with 2 images at a time, the fewest"):
        probe(state, lambda _: None)


def test_other_errors_are_not_swallowed():
    state = tiny_state(*AUTO)
    limited(state, 1, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        fitting_step(state, torch.rand(8, 3, 8, 8), None, print)
    assert not out_of_memory(ValueError("can't"))


def test_real_memory_runs_out_in_words_that_are_known():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(caught.value)


def test_one_of_two_processes_runs_out(tmp_path, ranks):
    ranks("training/two_limited.py", str(tmp_path))
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert [name for name, tensor in first.items() if not torch.equal(tensor, second[name])] == []


@pytest.mark.needs_gpu
def test_a_gpu_that_runs_out():
    """A real one, of which this process may use little more than half of what the whole batch needs."""
    config = override(load_preset("stylegan2-small"), ["batch=32", "micro_batch=auto"])
    state = create(fit(config, shape=(3, 64, 64), c_dim=0), torch.device("cuda"))
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    weights = torch.cuda.memory_allocated()
    probe(state, lambda _: None)
    assert state.micro_batch is None
    needed, total = torch.cuda.max_memory_allocated(), torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((weights + 0.6 * (needed - weights)) / total)
    try:
        before = held(state)
        probe(state, lambda _: None)
        assert state.micro_batch is not None and state.micro_batch < 32
        assert_same(held(state), before)
        state.micro_batch, said = None, []
        terms = fitting_step(state, torch.rand(32, 3, 64, 64, device="cuda"), None, said.append, every=True)
        assert said and all(torch.isfinite(value) for value in terms.values())
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.needs_gpu
def test_a_gpu_that_a_score_does_not_fit_into(tiny_zip):
    """Where half of what its 40 images at a time need is free, fewer are drawn at a time."""
    config = fit(load_preset("stylegan2-small"), shape=(3, 64, 64), c_dim=0)
    state, said = create(config, torch.device("cuda")), []
    scorer, dataset = RunScorer(["fd-untrained"], None, torch.device("cuda")), open_dataset(tiny_zip)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    weights = torch.cuda.memory_allocated()
    scorer.rehearse(state.ema, dataset, said.append)
    assert scorer.batch == 40 and said == []
    needed, total = torch.cuda.max_memory_allocated(), torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((weights + 0.5 * (needed - weights)) / total)
    try:
        before = held(state)
        scorer.rehearse(state.ema, dataset, said.append)
        assert scorer.batch < 40 and f"{scorer.batch} at a time" in said[0]
        assert_same(held(state), before)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_run_finds_its_micro_batch_and_resumes_with_another(tiny_zip, tmp_path):
    config = small("stylegan2-small", tiny_zip, "kimg=0.008", "micro_batch=auto", "precision=bf16")
    run = run_training(config, out=tmp_path, device="cpu")
    assert "micro-batch 4 of 4 images" in (run / "log.txt").read_text()
    assert "micro_batch: auto" in (run / "config.yaml").read_text()
    rest = override(config, ["micro_batch=null", "kimg=0.016"])
    assert run_training(rest, out=tmp_path, resume="auto", device="cpu") == run
    kimg = [json.loads(line)["kimg"] for line in (run / "stats.jsonl").read_text().splitlines()]
    assert kimg == [0.008, 0.016]


def test_an_auto_run_that_fits_has_the_bits_of_a_plain_one(tiny_zip, tmp_path):
    paths = []
    for name, more in (("a", []), ("b", ["micro_batch=auto"])):
        config = small("stylegan2-ada-auto", tiny_zip, "kimg=0.008", *more)
        run = run_training(config, out=tmp_path / name, device="cpu")
        paths.append(sorted((run / "checkpoints" / "000000.008").glob("*.safetensors")))
    assert [p.read_bytes() for p in paths[0]] == [p.read_bytes() for p in paths[1]]


def test_the_option(tiny_zip):
    arguments = ["--data", str(tiny_zip), "--preset", "stylegan2-tiny", "--dry-run", "--micro-batch"]
    assert "micro_batch: auto" in CliRunner().invoke(command, [*arguments, "auto"]).output
    assert "micro_batch: 4" in CliRunner().invoke(command, [*arguments, "4"]).output
    assert CliRunner().invoke(command, [*arguments, "0"]).exit_code == 2
    assert CountOrAuto().convert("auto", None, None) == "auto"
    with pytest.raises(UsageError, match="micro_batch"):
        override(RunConfig(), ["micro_batch=atuo"])


def test_the_probe_of_a_conditional_model_has_labels():
    state, seen = tiny_state(*AUTO, classes=3), []
    state.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    probe(state, lambda _: None)
    assert len(seen) >= 3 and all((c.sum(dim=1) == 1).all() for c in seen)
