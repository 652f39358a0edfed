"""Videos: how large a frame is, and several walks side by side."""

import re
import subprocess

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from gan import sampling as drawing
from gan.errors import UsageError
from gan.jobs import video
from gan.jobs.sampling import draw, sample
from gan.jobs.sampling.outputs import output_kind
from gan.jobs.sampling.request import Motion, Request
from tests.gan.cli.test_sample import make_model

PIXELS = torch.arange(2 * 3 * 2 * 4, dtype=torch.uint8).view(2, 3, 2, 4)


@pytest.mark.parametrize(("side", "factor"), [(32, 8), (100, 3), (256, 1), (1024, 1)])
def test_small_frames_are_enlarged_to_256(side, factor):
    frame = torch.zeros(3, side, side + 8, dtype=torch.uint8)
    [shown] = video.enlarged(iter([frame]), None)
    assert shown.shape == (3, side * factor, (side + 8) * factor)


def test_a_pixel_becomes_a_square():
    [shown] = video.enlarged(iter(PIXELS[:1]), 3)
    for row, column in ((0, 0), (1, 3)):
        square = shown[:, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
        assert torch.equal(square, PIXELS[0, :, row, column, None, None].expand(3, 3, 3))


def test_walks_lie_in_rows():
    [shown] = video.tiled([iter(PIXELS[:1] + i) for i in range(6)], columns=3)
    assert shown.shape == (3, 4, 12)
    assert torch.equal(shown[:, 2:, 4:8], PIXELS[0] + 4)


def test_seeds_are_shared_out_in_their_order():
    assert video.walks([1, 2, 3, 4, 5, 6], 3, 1) == [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(UsageError, match="--walks 2x2: 6 seeds do not make 4 walks .* give 8 seeds"):
        video.walks(range(6), 2, 2)


def test_each_walk_of_a_grid_is_the_walk_of_its_seeds(tiny_generator, tmp_path, monkeypatch):
    """Frame by frame, before a GIF cuts the colours down to 256."""
    written = {}
    monkeypatch.setattr(
        video, "write_video", lambda out, frames, fps, **_: written.update({out: list(frames)})
    )
    look = {"frames_per_seed": 2, "scale": 1, "psi": 0.7}
    sample(tiny_generator, range(8), out=tmp_path / "four.gif", walks=(2, 2), **look)
    sample(tiny_generator, [4, 5], out=tmp_path / "third.gif", **look)
    many, one = written[tmp_path / "four.gif"], written[tmp_path / "third.gif"]
    height, width = one[0].shape[1:]
    assert len(many) == len(one) == 4
    for whole, part in zip(many, one, strict=True):
        assert torch.equal(whole[:, height:, :width], part)


def test_classes_of_a_grid_of_walks_go_with_their_seeds(tmp_path, monkeypatch):
    model = make_model(tmp_path / "checkpoints" / "000000", c_dim=3)
    seen, frames = [], drawing.frames

    def spied(generator, seeds, **look):
        seen.append((list(seeds), look["labels"]))
        return frames(generator, seeds, **look)

    monkeypatch.setattr(video, "write_video", lambda out, frames, fps, **_: list(frames))
    monkeypatch.setattr(drawing, "frames", spied)
    options = {"labels": [0, 1, 1, 0], "walks": (2, 1), "frames_per_seed": 1}
    sample(str(model), [3, 4, 5, 6], out=tmp_path / "a.gif", device="cpu", **options)
    assert seen == [([3, 4], [0, 1]), ([5, 6], [1, 0])]


def test_a_gif_has_the_scale_asked_for(tiny_generator, tmp_path):
    [path] = sample(tiny_generator, [1], out=tmp_path / "a.gif", frames_per_seed=1, scale=2)
    with Image.open(path) as shown:
        assert np.array(shown.size).tolist() == [
            2 * side for side in reversed(sample(tiny_generator, [1]).shape[2:])
        ]


@pytest.mark.parametrize(("fps", "unit", "least"), [(30, 10, 20), (24, 10, 20), (23.976, 1, 1), (60, 1, 1)])
def test_times_of_frames_keep_the_rate(fps, unit, least):
    times = video.durations(300, fps, unit, least)
    assert abs(sum(times) - 300_000 / fps) <= unit / 2
    assert all(abs(time - 1000 / fps) < unit and time % unit == 0 for time in times)
    assert set(video.durations(9, 100, 10, 20)) == {20}


@pytest.mark.parametrize("name", ["a.webp", "a.gif", "a.mp4", "a"])
def test_a_video_has_the_size_and_rate_asked_for(name, tiny_generator, tmp_path):
    if name == "a.mp4":
        pytest.importorskip("imageio_ffmpeg", reason="pip install imageio-ffmpeg")
    motion = Motion(frames_per_seed=5, fps=12.5, size=(60, 34))
    kind = output_kind(tmp_path / name, animate=True)
    paths = draw(tiny_generator, Request(seeds="1-2", motion=motion), out=tmp_path / name, kind=kind)
    if name == "a":
        assert len(paths) == 10
        with Image.open(paths[-1]) as shown:
            assert shown.size == (60, 34) and paths[-1].name == "frame000009.png"
    elif name == "a.mp4":
        import imageio_ffmpeg

        assert imageio_ffmpeg.count_frames_and_secs(tmp_path / name) == (10, pytest.approx(0.8))
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(tmp_path / name)]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        assert re.search(r"yuv420p.*, 60x34.* 12.50? fps", said), said
    else:
        with Image.open(tmp_path / name) as shown:
            assert (shown.size, shown.n_frames) == ((60, 34), 10)
            shown.load()
            times = []
            for frame in ImageSequence.Iterator(shown):
                frame.load()
                times.append(frame.info["duration"])
            assert times == [80] * 10


@pytest.mark.parametrize(("name", "times"), [("a.gif", 30), ("a.webp", 33)])
def test_frames_that_nobody_counted_last_equally_long(name, times, tmp_path):
    levels = torch.arange(3, dtype=torch.uint8)[:, None, None, None] * 100
    video.write_video(tmp_path / name, iter(levels.expand(3, 3, 4, 4)), 30)
    with Image.open(tmp_path / name) as shown:
        assert shown.n_frames == 3
        for frame in ImageSequence.Iterator(shown):
            frame.load()
            assert frame.info["duration"] == times


def test_sizes_that_a_format_has_not(tiny_generator, tmp_path):
    motion = Motion(size=(61, 34))
    with pytest.raises(UsageError, match="--size 61x34: an .mp4 has even sides; use 62x34"):
        video.check_size(tmp_path / "a.mp4", motion.size)
    video.check_size(tmp_path / "a.gif", motion.size)
    with pytest.raises(UsageError, match=r"30000 frames of 8000x8000 take 5364.4 GiB of memory; give fewer"):
        video.check_memory(tmp_path / "a.webp", 30_000, 8000, 8000)
    video.check_memory(tmp_path / "a.mp4", 30_000, 8000, 8000)
    request = Request(seeds="1-2", motion=Motion(frames_per_seed=100_000, size=(8000, 8000)))
    with pytest.raises(UsageError, match="GiB of memory"):
        draw(tiny_generator, request, out=tmp_path / "a.webp", kind="video")
    assert not list(tmp_path.iterdir())
