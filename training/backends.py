"""Settings of PyTorch's backends that a run has of its own."""

import contextlib
from collections.abc import Iterator

import torch

from training.config import RunConfig


@contextlib.contextmanager
def backends(config: RunConfig) -> Iterator[None]:
    """Convolutions and products of matrices as the config says, within the block; then as before."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32
    try:
        cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = (
            config.cudnn_benchmark,
            config.tf32,
            config.tf32,
        )
        yield
    finally:
        cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = before
