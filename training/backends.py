"""Settings of PyTorch's backends that a run has of its own."""

from contextlib import AbstractContextManager

from gan import precision
from training.config import RunConfig


def backends(config: RunConfig) -> AbstractContextManager[None]:
    """Convolutions and products of matrices as the config says, within the block; then as before."""
    return precision.backends(tf32=config.tf32, benchmark=config.cudnn_benchmark)
