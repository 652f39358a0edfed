"""`gan sample`: seeds -> pictures, as a tensor, a folder, a labelled grid, a style-mixing grid or a video."""

from gan.jobs.sampling.drawing import draw, sample
from gan.jobs.sampling.labels import Wanted, resolved_labels

__all__ = ["Wanted", "draw", "resolved_labels", "sample"]
