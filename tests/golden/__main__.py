"""python -m tests.golden FILE..."""

import sys

import torch

from tests.golden.checker import main

if __name__ == "__main__":
    torch.set_num_threads(1)  # the arrays are tiny: threads would only wait for one another
    sys.exit(main(sys.argv[1:]))
