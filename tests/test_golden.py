"""Parity with published implementations, on the shipped numbers and on the full set where it is at hand."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.golden import subset
from tests.golden.case import FormatError, read, relative_error
from tests.golden.checker import main
from tests.golden.families import family_of

ROOT = Path(__file__).parent.parent
SHIPPED = sorted((ROOT / "tests" / "golden").glob("*.npz"))
FULL = Path(os.environ.get("GAN_GOLDEN", ROOT.parent / "shared" / "golden"))

needs_full_set = pytest.mark.skipif(not FULL.is_dir(), reason="no folder of all golden files; set GAN_GOLDEN")


def altered(source: Path, target: Path, key: str, change) -> Path:
    """A copy of a golden file with one array (or the metadata, key `meta_json`) passed through `change`."""
    with np.load(source) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if key == "meta_json":
        meta = json.loads(bytes(arrays[key]))
        change(meta)
        arrays[key] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    else:
        arrays[key] = change(arrays[key])
    np.savez(target, **arrays)
    return target


def shipped(name: str) -> Path:
    return ROOT / "tests" / "golden" / name


def test_the_shipped_files_are_the_listed_ones():
    assert {path.name for path in SHIPPED} == {*subset.PATTERNS, *subset.FIRST_ROWS, *subset.WHOLE}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_file(path, capsys):
    assert main([str(path)]) == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(read(path))
    assert all(": ok: " in line or ": not in this release: " in line for line in lines)


@needs_full_set
@pytest.mark.parametrize("path", sorted(FULL.glob("*.npz")), ids=lambda path: path.name)
def test_full_set(path, capsys):
    try:
        supported = any(family_of(case).check for case in read(path))
    except FormatError as error:
        pytest.skip(f"not a family of this release: {error}")
    if not supported:
        pytest.skip("nothing in it is in this release")
    assert main([str(path)]) == 0, capsys.readouterr().out


@needs_full_set
def test_the_shipped_files_come_from_the_full_set(tmp_path):
    subset.make(FULL, tmp_path)
    for path in SHIPPED:
        with np.load(path) as ours, np.load(tmp_path / path.name) as made:
            assert ours.files == made.files
            assert all(np.array_equal(ours[key], made[key]) for key in ours.files)


@pytest.mark.parametrize(
    ("name", "case", "array"),
    [
        ("augment_percentile.npz", "c0054", "G_inv"),
        ("augment_percentile.npz", "c0213", "grad_x"),
        ("augment_sampled.npz", "s019", "y"),
        ("ops_bias_act.npz", "c000", "y"),
        ("ops_upfirdn2d.npz", "c005", "gg_gy"),
        ("ops_small.npz", "mbstd000", "gg_x"),
        ("losses.npz", "pl_0", "grad_W"),
        ("net_sg2_d_sg3repo.npz", "orig_c5", "r1_penalty"),
        ("net_sg2_g_sg3repo.npz", "resnet_c5", "img_ws_rand_f32"),
        ("net_sg3_g.npz", "t_res16", "img_transform"),
        ("inception.npz", "32x32", "tf1_resize_crop"),
        ("metrics.npz", "pplsampler_1", "dist"),
        ("metrics.npz", "eq_rot_0", "filter"),
        ("metrics.npz", "eq_frac_1_x24", "z"),
    ],
)
def test_a_wrong_array_is_found_and_named(name, case, array, tmp_path, capsys):
    wrong = altered(shipped(name), tmp_path / "any name.npz", f"{case}/{array}", lambda a: a * 1.0001)
    assert main([str(wrong)]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if ": OVER: " in line]
    assert f" {case}: " in line
    assert f"e-04 in {array.removesuffix('_f32')} (tolerance " in line


def _wrong_norm(meta: dict) -> None:
    meta["cases"]["orig_c5"]["r1_grad_stats"]["b4.conv.weight"][1] *= 1.01


def _trainable_frozen_layer(meta: dict) -> None:
    meta["cases"]["orig_c5"]["kinds"]["b32.fromrgb.weight"] = "parameter"


def _unknown_argument(meta: dict) -> None:
    meta["cases"]["orig_c5"]["init_kwargs"]["chanel_base"] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_wrong_norm, "r1_grad_stats/b4.conv.weight"),
        (_trainable_frozen_layer, "trainable on one side only: b32.fromrgb.weight"),
        (_unknown_argument, "'chanel_base'"),
    ],
)
def test_wrong_metadata_are_found(change, message, tmp_path, capsys):
    wrong = altered(shipped("net_sg2_d_sg3repo.npz"), tmp_path / "d.npz", "meta_json", change)
    assert main([str(wrong)]) == 1
    assert message in capsys.readouterr().out


def test_a_missing_weight_is_found(tmp_path, capsys):
    path = tmp_path / "d.npz"
    with np.load(shipped("net_sg2_d_sg3repo.npz")) as stored:
        np.savez(path, **{k: stored[k] for k in stored.files if k != "orig_c5/sd/b4.out.bias"})
    assert main([str(path)]) == 1
    assert "b4.out.bias" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("case", "key", "name"),
    [
        ("fid_0", "fid", "fid"),
        ("kid_1", "exact_expectation", "exact_expectation"),
        ("is_0", "is_std", "is_std"),
        ("pplfilter_0", "ppl", "ppl"),
    ],
)
def test_a_wrong_score_is_found(case, key, name, tmp_path, capsys):
    def change(meta: dict) -> None:
        meta["cases"][case][key] *= 1.001

    assert main([str(altered(shipped("metrics.npz"), tmp_path / "m.npz", "meta_json", change))]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if ": OVER: " in line]
    assert f" {case}: " in line and f" in {name} (tolerance " in line


def test_a_missing_case_that_others_need_is_found(tmp_path, capsys):
    def change(meta: dict) -> None:
        del meta["cases"]["pplG"]

    assert main([str(altered(shipped("metrics.npz"), tmp_path / "m.npz", "meta_json", change))]) == 2
    assert "the case 'pplG' it refers to is missing" in capsys.readouterr().err


def test_a_wrong_table_is_found(tmp_path, capsys):
    def change(meta: dict) -> None:
        meta["tables"]["lazy_regularization"][1]["effective_betas"][1] += 1e-6
        meta["tables"]["ada"][2]["p_after_float32"] += 1e-6

    assert main([str(altered(shipped("losses.npz"), tmp_path / "l.npz", "meta_json", change))]) == 1
    out = capsys.readouterr().out
    assert "row 1 beta2" in out and "tables/ada: OVER: 4.0e-06 in row 2" in out


def test_missing_shared_arrays_are_found(tmp_path, capsys):
    path = tmp_path / "a.npz"
    with np.load(shipped("augment_percentile.npz")) as stored:
        np.savez(path, **{k: stored[k] for k in stored.files if k != "inputs/img_1x3x16x24"})
    assert main([str(path)]) == 2
    assert "array 'inputs/img_1x3x16x24' is missing" in capsys.readouterr().err


def _rename_keys(meta: dict) -> None:
    meta["cases"] = {name: {f"x_{key}": v for key, v in p.items()} for name, p in meta["cases"].items()}


def _only_future_families(meta: dict) -> None:
    meta["cases"] = {name: {"blur_init_sigma": 1, "blur_fade_kimg": 1} for name in meta["cases"]}


@pytest.mark.parametrize("change", [_rename_keys, _only_future_families, lambda meta: meta["cases"].clear()])
def test_nothing_to_check(change, tmp_path, capsys):
    path = altered(shipped("ops_bias_act.npz"), tmp_path / "ops_bias_act.npz", "meta_json", change)
    assert main([str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_missing_input_array(tmp_path, capsys):
    path = tmp_path / "f.npz"
    with np.load(shipped("ops_bias_act.npz")) as stored:
        np.savez(path, **{k: stored[k] for k in stored.files if k != "c000/gy"})
    assert main([str(path)]) == 2
    assert "c000: array 'gy' is missing" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"not a zip", b"PK\x03\x04 cut off"], ids=repr)
def test_unreadable_file(content, tmp_path, capsys):
    path = tmp_path / "f.npz"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line


def test_npz_without_metadata(tmp_path):
    np.savez(tmp_path / "f.npz", x=np.zeros(3))
    assert main([str(tmp_path / "f.npz")]) == 2


def test_one_bad_file_does_not_hide_the_others(tmp_path, capsys):
    wrong = altered(shipped("ops_bias_act.npz"), tmp_path / "f.npz", "c000/y", lambda a: a + 1)
    assert main([str(tmp_path / "absent.npz"), str(wrong), str(shipped("metrics.npz"))]) == 1
    assert "metrics.npz fid_0: ok" in capsys.readouterr().out


def test_command():
    command = [sys.executable, "-m", "tests.golden", str(shipped("metrics.npz")), "absent.npz"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "fid_0: ok: " in done.stdout
    assert "absent.npz: not a golden file" in done.stderr


@pytest.mark.parametrize(
    ("got", "want", "error"),
    [
        ([1.0, 2.2], [1.0, 2.0], 0.1),
        ([0.0, 1e-3], [0.0, 0.0], 1e-3),  # nothing to be relative to
        ([1.0], [1.0, 1.0], math.inf),  # another shape
        ([math.nan, 1.0], [1.0, 1.0], math.inf),
        ([1.0, 1.0], [1.0, math.nan], math.inf),
        ([], [], 0.0),
    ],
)
def test_relative_error(got, want, error):
    assert relative_error(torch.tensor(got), torch.tensor(want)) == pytest.approx(error, rel=1e-6)
