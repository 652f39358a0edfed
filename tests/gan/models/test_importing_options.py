"""`gan convert` on options that no network has: refused by name, before anything is made of them."""

import numpy as np
import pytest

from gan.cli.main import main
from tests.snapshots import snapshot, tree

KWARGS = {
    "z_dim": 2,
    "w_dim": 2,
    "c_dim": 0,
    "img_resolution": 16,
    "img_channels": 3,
    "channel_base": 32,
    "channel_max": 2,
    "mapping_kwargs": {"num_layers": 1},
}
SIGNS = {"stylegan2": "synthesis.b4.const", "stylegan3": "synthesis.input.freqs"}


def refused(tmp_path, capsys, recwarn, family: str, kwargs: dict) -> str:
    """What the command says, in one line and without warnings, of a generator with these arguments."""
    sign = SIGNS[family]
    generator = tree({sign: np.zeros((2, 2), "f4")}, {sign: "buffer"}, {}, KWARGS | kwargs, "Generator")
    (tmp_path / "a.pkl").write_bytes(snapshot({"G_ema": generator}, 4))
    with pytest.raises(SystemExit) as stopped:
        main(["convert", str(tmp_path / "a.pkl"), "--out", str(tmp_path / "b")])
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert len(said.splitlines()) == 1
    assert not [each for each in recwarn if each.category is RuntimeWarning]  # would be printed as well
    assert not (tmp_path / "b").exists()
    return said


OPTIONS = [
    ("stylegan2", {"activation": "eval"}, "unknown activation 'eval'"),
    ("stylegan2", {"mapping_kwargs": {"num_layers": 1, "activation": "eval"}}, "unknown activation 'eval'"),
    ("stylegan2", {"conv_clamp": -1}, "conv_clamp is no number from 0"),
    ("stylegan2", {"z_dim": -1}, "z_dim is no number from 0"),
    ("stylegan2", {"resample_filter": [0, 0]}, "generator (G_ema)"),
    ("stylegan2", {"resample_filter": []}, "resample_filter needs taps"),
    ("stylegan2", {"use_noise": None}, "use_noise"),
    ("stylegan3", {"filter_size": -3}, "filter_size is no number from 0"),
    ("stylegan3", {"first_cutoff": 0}, "makes no network"),
    ("stylegan3", {"first_cutoff": 1e-300}, "generator (G_ema)"),
    ("stylegan3", {"first_stopband": 1e6}, "makes no network"),
    ("stylegan3", {"last_stopband_rel": 1e6}, "generator (G_ema)"),
    ("stylegan3", {"conv_kernel": 1 << 20}, "conv_kernel must be 1 or 3"),
    ("stylegan3", {"num_layers": 64, "margin_size": 256, "lrelu_upsampling": 4}, "generator (G_ema)"),
]


@pytest.mark.parametrize(("family", "kwargs", "words"), OPTIONS, ids=str)
def test_options(tmp_path, capsys, recwarn, family, kwargs, words):
    assert words in refused(tmp_path, capsys, recwarn, family, kwargs)


def test_taps_of_filters_may_be_negative(tmp_path, capsys, recwarn):
    said = refused(tmp_path, capsys, recwarn, "stylegan2", {"resample_filter": [-1, 9, 9, -1]})
    assert "does not fit its own config" in said  # the option itself was taken


def test_bytes_as_text_in_another_coding_are_refused(tmp_path, capsys):
    coded = b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R."
    (tmp_path / "a.pkl").write_bytes(coded)
    with pytest.raises(SystemExit) as stopped:
        main(["convert", str(tmp_path / "a.pkl"), "--out", str(tmp_path / "b")])
    assert stopped.value.code == 1
    assert "unusual way" in capsys.readouterr().err
