"""What tests run by tests/ranks.py: whole runs of one of two processes, by the name of a scene.

exact DATA OUT SETTINGS...: a straight run in OUT/straight, the same in pieces in OUT/pieces.
rollback DATA OUT SETTINGS...: a run whose generator is zeroed once; its last state in OUT/<rank>.safetensors.
stop DATA OUT SETTINGS...: the same where the policy is to stop; says on stderr what was raised.
early DATA OUT SETTINGS...: a run whose discriminator knows its images by heart from the second tick on.
full DATA OUT SETTINGS...: a run whose disk is full after 32 images; says on stderr what was raised.
"""

import contextlib
import errno
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gan import distributed
from gan.errors import UserError
from gan.models import checkpoint
from tests.training.test_parts import held
from tests.training.tiny import configured, run_training
from training import held_out, loop


def exact(data, out, settings):
    scored = {"metrics": ["fd-untrained"], "metrics_fakes": 16, "device": "cpu"}
    run_training(configured(data, *settings, "kimg=0.096"), out=out / "straight", **scored)
    for kimg in ("0.024", "0.04", "0.096"):
        config = configured(data, *settings, f"kimg={kimg}")
        run_training(config, out=out / "pieces", resume="auto", **scored)


def rollback(data, out, settings):
    state = sabotaged(data, out, settings)
    config = state.config
    numbers = [config.loss.r1_gamma, config.optimizer_d.lr, state.rollbacks, state.nimg]
    tensors = held(state) | {"settings": torch.tensor(numbers)}
    save_file(tensors, out / f"{distributed.rank()}.safetensors")


def stop(data, out, settings):
    with said():
        sabotaged(data, out, settings)


def full(data, out, settings):
    honest = checkpoint._write_tensors

    def write(path, tensors):
        if "000000.032" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        honest(path, tensors)

    checkpoint._write_tensors = write
    with said():
        run_training(configured(data, *settings, "kimg=0.064"), out=out / "runs", device="cpu")


@contextlib.contextmanager
def said():
    """Every process says the UserError that it gets."""
    try:
        yield
    except UserError as error:
        print(f"{distributed.rank()}: {error}", file=sys.stderr)


def sabotaged(data, out, settings):
    """The state at the end of a run whose generator is zeroed before the step at 32 images, once."""
    honest, latest, left = loop.train_step, [], [1]

    def step(state, real, c):
        latest[:] = [state]
        if state.nimg == 32 and left[0]:
            left[0] -= 1
            with torch.no_grad():
                for parameter in state.generator.parameters():
                    parameter.zero_()
        return honest(state, real, c)

    loop.train_step = step
    run_training(configured(data, *settings), out=out / "runs", device="cpu")
    return latest[0]


def early(data, out, settings):
    values = iter([0.1, 0.9, 0.9, 0.9])
    held_out.r_v = lambda *_: next(values)
    scored = {"metrics": ["fd-untrained"], "metrics_fakes": 16}
    run_training(configured(data, *settings), out=out / "runs", device="cpu", **scored)


SCENES = {"early": early, "exact": exact, "rollback": rollback, "stop": stop, "full": full}
torch.set_num_threads(1)
with distributed.group():
    SCENES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
