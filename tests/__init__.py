"""Tests. Products of matrices round as on a processor with AVX2, whatever this one has: the limits of float32
are those of that path, and MKL picks another where it finds AVX-512. It reads the variable at its first call.
"""

import os

os.environ.setdefault("MKL_ENABLE_INSTRUCTIONS", "AVX2")
