"""For data/test_together.py, by tests/ranks.py: both processes open a folder, and then a path of nothing."""

import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gan import distributed
from gan.errors import UserError
from training.data.images import open_together

torch.set_num_threads(1)
looked, scandir = [], os.scandir
with distributed.group():
    os.scandir = lambda path: looked.append(path) or scandir(path)
    dataset = open_together(Path(sys.argv[1]))
    said = f"{distributed.rank()} looked {len(looked)} times, {len(dataset)} images\n"
    sys.stderr.write(said)  # at once, or the lines of two processes mix
    try:
        open_together(Path(sys.argv[2]))
    except UserError as error:
        sys.stderr.write(f"{error}\n")
