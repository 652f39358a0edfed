"""Settings of PyTorch's backends that a run has of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gan import precision
from training.config import RunConfig
from training.threads import of


@contextmanager
def backends(config: RunConfig) -> Iterator[None]:
    """Convolutions and products of matrices as the config says, within the block; then as before.

    The number of threads, which is chosen within, is that of before as well.
    """
    with precision.backends(tf32=config.tf32, benchmark=config.cudnn_benchmark), of(torch.get_num_threads()):
        yield
