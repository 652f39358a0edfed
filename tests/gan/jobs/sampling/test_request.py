"""What is asked for: texts read, nonsense refused, and defaults that are those of the command's help."""

import click
import pytest

from gan.cli.sample import command
from gan.errors import UsageError
from gan.jobs.sampling.request import (
    Along,
    Look,
    Mix,
    Motion,
    Request,
    changed,
    parse_mix,
    parse_numbers,
    parse_size,
)


def test_the_help_tells_the_defaults_of_the_request():
    names = {
        "seeds": "seeds", "seed": "seed", "psi": "look.psi", "truncation_center": "look.center",
        "noise": "look.noise", "rotate": "look.rotate", "frames_per_seed": "motion.frames_per_seed",
        "fps": "motion.fps",
    }  # fmt: skip
    shown = {p.name: p.default for p in command.params if isinstance(p, click.Option) and p.show_default}
    assert shown.pop("span") == "-3..3" and Along(direction="").span == (-3.0, 3.0)
    assert shown.pop("device") == "auto" and shown.pop("walks") == "1x1" and Motion().walks == (1, 1)
    assert shown.keys() == names.keys()
    for name, dotted in names.items():
        value = Request()
        for part in dotted.split("."):
            value = getattr(value, part)
        assert shown[name] == value, name


def test_values_by_dotted_name():
    request = changed(
        Request(), {"look.psi": 0.5, "motion.walks": (2, 1), "mix": Mix(rows="1", columns="2", layers="0")}
    )
    assert request.look == Look(psi=0.5) and request.motion.walks == (2, 1)
    assert request.mix.seeds() == ([1], [2])
    assert changed(request, {"mix.layers": "3"}).mix.layers == "3"
    with pytest.raises(UsageError, match="request.look.psi: expected float, got 'x'"):
        changed(Request(), {"look.psi": "x"})


def test_texts():
    assert parse_mix("85-87+9,55", "0-3").seeds() == ([85, 86, 87, 9], [55])
    assert parse_size("640x360") == (640, 360)
    assert parse_numbers("--translate", "0.5,-1", 2) == (0.5, -1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: parse_mix("1", "0"), "--mix 1: write two seeds"),
        (lambda: parse_mix("1,2,3", "0"), "--mix 1,2,3: write two seeds"),
        (lambda: parse_mix("1,b", "0"), "'b' is no number"),
        (lambda: parse_size("640"), "--size 640: write width x height"),
        (lambda: parse_numbers("--translate", "1", 2), "--translate 1: write 2 numbers"),
        (lambda: parse_numbers("--noise-strength", "1,nan"), "--noise-strength 1,nan: write numbers"),
        (lambda: Look(center="median", psi=0.5), "towards 'median': use global, class, nearest"),
        (lambda: Look(center="nearest:0", psi=0.5), "towards 'nearest:0'"),
        (lambda: Look(center="nearest"), "changes nothing at psi 1"),
        (lambda: Motion(scale=2, size=(4, 4)), "--scale and --size both"),
        (lambda: Motion(size=(4, 9000)), "use sides of 1 to 8192"),
        (lambda: Motion(fps=0), "0 to 1000 fps"),
        (lambda: Motion(scale=65), "scale 65: use 1 to 64"),
        (lambda: Request(labels="a", vectors=((1.0,),)), "--class and --condition"),
        (lambda: Request(seed=-1), "seed -1 is out of range"),
    ],
)  # fmt: skip
def test_nonsense(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_centers_asked_for():
    assert [Look(center=text, psi=0.5).centers for text in ("global", "class", "nearest", "nearest:3")] == [
        0,
        0,
        64,
        3,
    ]
