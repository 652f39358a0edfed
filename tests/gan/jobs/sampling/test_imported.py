"""Imported models are drawn with every edit that their family has, and made again by their metadata."""

import pytest

import gan
from gan.errors import UsageError
from gan.images import encode
from gan.jobs.sampling import draw, recipe
from gan.jobs.sampling.request import Look, Mix, Request
from tests import official, snapshots
from tests.gan.models.test_importing import G_CASES, converted

LOOKS = {
    "centre": Request(seeds="1-2", look=Look(psi=0.5, center="nearest:2")),
    "mixed": Request(mix=Mix(rows="1", columns="2+3", layers="0-1")),
    "noise": Request(seeds="1-2", look=Look(noise="random", noise_strength=(2.0,))),
    "moved": Request(seeds="1-2", look=Look(translate=(0.1, 0.0), rotate=20)),
}


@pytest.mark.parametrize(
    ("source", "able"),
    [
        ("ada_resnet_c5", {"centre", "mixed", "noise"}),
        ("t_res16", {"centre", "mixed", "moved"}),
        ("r3gan_cond.npz", set()),
    ],
)
def test_imported_models(source, able, tmp_path):
    if source in G_CASES:
        network = official.network(G_CASES[source])
        data = snapshots.snapshot({"G_ema": network}, 4, ada=G_CASES[source].meta["repo"] == "ada")
    else:
        if not official.path(source).is_file():
            pytest.skip("no folder of all golden files; set GAN_GOLDEN")
        data = snapshots.snapshot({"G_ema": official.r3gan(source, "G")[1]}, 4)
    folder = converted(tmp_path, data)
    plain = encode(draw(folder, Request(seeds="1"), device="cpu")[0], ".png")
    for name, request in LOOKS.items():
        if name not in able:
            with pytest.raises(UsageError, match="a (stylegan2|stylegan3|r3gan) generator"):
                draw(folder, request, device="cpu")
            continue
        first, *_ = draw(folder, request, out=tmp_path / name, device="cpu")
        assert encode(draw(folder, request, device="cpu")[0], ".png") != plain
        told = recipe.read(first)
        again = draw(gan.load(folder), told.request, out=tmp_path / "a.png", kind="image", like=(told, first))
        assert again[0].read_bytes() == first.read_bytes()
