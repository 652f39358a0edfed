"""python -m tests.golden.subset FULL [OUT]: the shipped part of a full folder of golden files.

FULL is a folder with files in the format of README.md, OUT where the part goes (default: this folder).
The same input gives the same bytes.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

PATTERNS = {  # file -> its cases that are shipped, and arrays that several cases share
    "net_sg2_g_ada.npz": ["ada_resnet_c5"],
    "net_sg2_d_ada.npz": ["ada_skip_c5"],
    "net_sg2_g_sg3repo.npz": ["skip_c5", "resnet_c5"],  # one without noise and with two image channels
    "net_sg2_d_sg3repo.npz": ["resnet_c5", "orig_c5"],  # one with frozen layers, no minibatch statistics
    "net_sg3_g.npz": ["r_c5", "t_res16"],
    "augment_percentile.npz": [
        *("c0010", "c0021", "c0032", "c0043", "c0054", "c0065", "c0076"),  # each transform by itself
        *("c0087", "c0099", "c0111", "c0123", "c0135", "c0147", "c0158"),
        *("c0213", "c0230", "c0245"),  # bgc with gradient, a grey image, other strengths
        *("constants/*", "inputs/img_1x3x16x24", "inputs/img_1x3x24x32", "inputs/img_1x1x24x24"),
        "inputs/img_2x3x16x16",
    ],
    "augment_sampled.npz": ["s019"],
    "losses.npz": ["*"],
    "metrics.npz": [
        *("fid_*", "kid_*", "is_*", "pr_*", "slerp_*", "pplfilter_*", "pplG", "pplsampler_[12]"),
        *("eq_inputs", "eq_int_1_x24", "eq_frac_1_x24", "eq_rot_0", "eq_pseudorot_0"),
    ],
    "ops_setup_filter.npz": ["*"],
    "ops_bias_act.npz": ["c0?0", "c0?3", "c0?6"],
    "ops_upfirdn2d.npz": ["c0?[159]"],
    "ops_resample.npz": ["c0[01]1", "c007", "c019", "c02[49]", "c03[15]", "c041"],
    "ops_conv2d_resample.npz": ["c002", "c012", "c023"],
    "ops_modconv_sg2.npz": [
        *("c00[28]", "c01[012]", "h*")  # c011: tiny weights, where the epsilon of demodulation shows
    ],
    "ops_modconv_sg3.npz": ["c00[35]"],
    "ops_filtered_lrelu.npz": ["c00[1357]", "c013"],
    "ops_small.npz": ["mbstd00[0245]", "norm2nd*", "lowpass00[0-367]"],
}
FIRST_ROWS = {"inception.npz": ["32x32"]}  # files without metadata -> their cases of which one row is shipped


WHOLE = ("r3gan_cond.npz",)  # files of one case, shipped as they are


def make(full: Path, out: Path) -> None:
    """Write the shipped part of every file named above; OSError where one is missing."""
    for name in WHOLE:
        shutil.copyfile(full / name, out / name)
    for name, patterns in PATTERNS.items():
        with np.load(full / name, allow_pickle=False) as stored:
            meta = json.loads(bytes(stored["meta_json"]))
            chosen = {c: p for c, p in meta["cases"].items() if any(fnmatchcase(c, x) for x in patterns)}
            shared = [k for k in stored.files if any(fnmatchcase(k, x) for x in patterns if "/" in x)]
            kept = [k for k in stored.files if k.partition("/")[0] in chosen] + shared
            arrays = {key: stored[key] for key in kept}
        text = json.dumps(meta | {"cases": chosen}, sort_keys=True)
        arrays["meta_json"] = np.frombuffer(text.encode(), dtype=np.uint8)
        np.savez_compressed(out / name, **arrays)
    for name, cases in FIRST_ROWS.items():
        with np.load(full / name, allow_pickle=False) as stored:
            rows = {key: stored[key][:1] for key in stored.files if key.partition("/")[0] in cases}
            texts = {key: stored[key] for key in stored.files if stored[key].dtype.kind == "U"}
        np.savez_compressed(out / name, **rows, **texts)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.golden.subset", description="Make the shipped part of the golden files."
    )
    parser.add_argument("full", type=Path, metavar="FULL", help="folder of the full files")
    parser.add_argument("out", type=Path, metavar="OUT", nargs="?", default=Path(__file__).parent)
    parsed = parser.parse_args(arguments)
    make(parsed.full, parsed.out)


if __name__ == "__main__":
    main(sys.argv[1:])
