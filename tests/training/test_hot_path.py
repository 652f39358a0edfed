"""What a step makes the host wait for, which is nothing: no value of a tensor is looked at on the way."""

import traceback
from collections import Counter

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from gan.config import override
from tests.sources import ROOT
from tests.training.test_presets import small
from training.loop import advance
from training.memory import fitting_step
from training.recipes import fit
from training.state import create

LOOKS = {"item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__", "__index__", "__array__"}
# What is drawn on the CPU, wherever the networks are: numbers of augmentations.
ON_THE_CPU = (
    "training/augment/draws.py",
    "training/augment/transforms.py",
    "training/augment/pipe.py",
)
CASES = {
    "stylegan2": ("stylegan2-tiny", []),
    "micro-batches": ("stylegan2-tiny", ["micro_batch=2", "discriminator.mbstd_group=2"]),
    "undone if need be": ("stylegan2-tiny", ["micro_batch=auto", "augment.name=ada"]),
    "path length": (
        "stylegan2-tiny",
        ["loss.path_length_weight=2", "loss.lecam_weight=0.1", "loss.style_mixing=1"],
    ),
    "stylegan2-ada": ("stylegan2-ada-auto", ["augment.policy=bgcfnc", "augment.p=0.7"]),
    "diffaugment": ("stylegan2-tiny", ["augment.name=diffaugment"]),
    "stylegan3": ("stylegan3-t", []),
    "r3gan": ("r3gan-64", ["augment.p=0.7"]),
}


def place() -> str:
    """The line of the library that is running, as path: code."""
    frames = [f for f in traceback.extract_stack() if f.filename.startswith(str(ROOT))]
    frame = next(f for f in reversed(frames) if not f.filename.startswith(str(ROOT / "tests")))
    return f"{frame.filename.removeprefix(str(ROOT) + '/')}: {frame.line}"


class Scalars(TorchDispatchMode):
    """Counts the numbers that are taken out of tensors, by operator."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            self.found[place()] += 1
        return func(*args, **(kwargs or {}))


class Looks(TorchFunctionMode):
    """Counts tensors read by Python or NumPy, besides those drawn on the CPU, and uploads that wait."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        looks = getattr(func, "__name__", "") in LOOKS and not place().startswith(ON_THE_CPU)
        if looks or waits(func, args, kwargs or {}):
            self.found[place()] += 1
        return func(*args, **(kwargs or {}))


def waits(func, args, options):
    """Whether a call copies numbers to a device in the way that waits for it."""
    if func is torch.Tensor.to:
        placed = "device" in options or any(isinstance(a, torch.device | str) for a in args)
        return placed and not options.get("non_blocking")
    return (func is torch.tensor and "device" in options) or func is torch.Tensor.new_tensor


def prepared(case):
    """A small state of a preset after its first step, and a batch with labels."""
    preset, more = CASES[case]
    config = override(small(preset, "x.zip", "loss.d_steps=1"), more)
    state = create(fit(config, shape=(3, 32, 32), c_dim=3), "cpu")
    batch = torch.rand(4, 3, 32, 32) * 2 - 1, torch.eye(3)[[0, 1, 2, 0]]
    stepped(state, batch)
    return state, batch


def stepped(state, batch):
    """A step with every phase, ready to be undone, and what follows it."""
    fitting_step(state, *batch, print, every=True)
    advance(state)


@pytest.mark.parametrize("case", CASES)
def test_a_step_looks_at_no_value(case):
    state, batch = prepared(case)
    with Looks() as looks, Scalars() as scalars:
        stepped(state, batch)
    assert not scalars.found and not looks.found


def test_looks_are_seen():
    x = torch.ones(3)

    def look():
        bool(x[0]), float(x[1]), x[2].item(), x.tolist(), x.numpy()
        x.to("cpu"), x.new_tensor([1.0]), torch.tensor([1.0], device="cpu"), x.to("cpu", non_blocking=True)

    with Scalars() as scalars, Looks() as looks, pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "place", lambda: "somewhere")
        look()
    assert scalars.found == {"somewhere": 3} and looks.found == {"somewhere": 8}


def test_one_process_sends_nothing(monkeypatch):
    def sent(*_, **__):
        raise AssertionError("sent")

    state, batch = prepared("micro-batches")
    for name in ("all_reduce", "all_gather", "gather", "broadcast"):
        monkeypatch.setattr(torch.distributed, name, sent)
    stepped(state, batch)
