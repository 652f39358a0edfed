"""Which device a process works on."""

import torch

from gan import distributed
from gan.errors import UsageError


def pick(name: str) -> torch.device:
    """The torch device of that name: auto (a GPU if there is one), cpu, cuda, cuda:1, ...

    auto is the GPU of this process's number on its machine, counted round those that there are.
    Raises UsageError where it is unknown or not there.
    """
    if name == "auto":
        gpus = torch.cuda.device_count()
        name = f"cuda:{distributed.local_rank() % gpus}" if gpus else "cpu"
    try:
        torch.empty(0, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"--device {name}: {reason}; use cpu, or cuda on a GPU") from error
