"""`gan project` end to end on an untrained model: what is said, as text and as JSON, and what is refused."""

import json
from pathlib import Path

import pytest
import torch

from gan.cli.main import main
from gan.images import save_png
from tests.gan.runs import write_run


@pytest.fixture
def typed(tmp_path: Path) -> list[str]:
    """A complete command, on one small picture."""
    picture = torch.arange(3 * 16 * 16, dtype=torch.int64).remainder(256).to(torch.uint8).view(3, 16, 16)
    save_png(tmp_path / "one.png", picture)
    run = write_run(tmp_path / "runs" / "00000-demo-tiny")
    steps = ["--distance", "pixels", "--steps", "3", "--tune-steps", "2"]
    return ["project", str(run), str(tmp_path / "one.png"), "--out", str(tmp_path / "out"), *steps]


def code_of(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return stopped.value.code


def test_a_line_for_each_picture_and_what_to_do_next(typed, tmp_path, capsys):
    assert code_of([*typed, "--space", "pti"]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("one  PSNR ")
    assert second == f"wrote latents, images and report.json of 1 picture(s) to {tmp_path / 'out'}"
    assert third == f"next: gan sample {tmp_path / 'out' / 'tuned'} --out grid.png"
    assert code_of(["sample", str(tmp_path / "out" / "tuned"), "--out", str(tmp_path / "grid.png")]) == 0


def test_a_report_as_json(typed, tmp_path, capsys):
    assert code_of([*typed, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "report.json").read_text())
    assert set(printed["images"][0]) == {"image", "psnr", "ssim", "distance", "from_mean", "steps"}


def test_latents_of_another_command_are_a_start(typed, tmp_path, capsys):
    assert code_of(typed) == 0
    again = [
        *typed[:4],
        str(tmp_path / "again"),
        *typed[5:],
        "--start",
        str(tmp_path / "out/one.safetensors"),
    ]
    assert code_of(again) == 0
    assert code_of([*typed, "--start", str(tmp_path / "one.png")]) == 1
    assert "one.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message", "code"),
    [
        (["--distance", "pixel"], "did you mean 'pixels'", 2),
        (["--space", "z"], "cannot be projected into z; use w or w+", 2),
        (["--class", "dog"], "this model has no classes", 2),
        (["--weights", "a.pth"], "only the distance lpips takes files", 2),
    ],
)
def test_refusals(typed, capsys, more, message, code):
    assert code_of([*typed, *more]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
