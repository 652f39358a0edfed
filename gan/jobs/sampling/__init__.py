"""`gan sample`: seeds -> pictures, as a tensor, a folder, a labelled grid, a style-mixing grid or a video."""

from gan.jobs.sampling.drawing import draw, sample

__all__ = ["draw", "sample"]
