"""Which device a process works on: chosen in one place, and made the process's own."""

import torch

from gan import distributed
from gan.errors import UsageError


def pick(name: str) -> torch.device:
    """The torch device of that name: auto (a GPU if there is one), cpu, cuda, cuda:1, ...

    auto and cuda are the GPU of this process's number on its machine, counted round those that there are. A
    GPU becomes the process's current one, so that whatever does not name a device works on it, too.
    Raises UsageError where it is unknown or not there.
    """
    gpus = torch.cuda.device_count()
    if name == "auto":
        name = "cuda" if gpus else "cpu"
    if name == "cuda" and gpus:
        name = f"cuda:{distributed.local_rank() % gpus}"
    try:
        torch.empty(0, device=name)
        device = torch.device(name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"--device {name}: {reason}; use cpu, or cuda on a GPU") from error
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device
