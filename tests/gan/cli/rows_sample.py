"""Rows of test_options for `gan sample`, whose job takes a request."""

from gan.jobs.sampling.request import Along, Mix
from tests.gan.cli.rows import DEBUG, DEVICE, LAST, PLUGIN, Row, plain

SAMPLE: dict[str, Row | str] = {
    "MODEL": Row(("other",), "model", "other"),
    **plain("--out", "b.webp", "out", "b.webp"),
    **plain("--seeds", "3,5", "request.seeds", "3,5"),
    **plain("--psi", "0.5", "request.look.psi", 0.5),
    **plain("--psi-cutoff", "4", "request.look.psi_cutoff", 4),
    "--truncation-center": Row(
        ("--truncation-center", "nearest:7", "--psi", "0.5"), "request.look.center", "nearest:7"
    ),
    **plain("--class", "dog", "request.labels", "dog"),
    **plain("--condition", "0.5,-1", "request.vectors", ((0.5, -1.0),)),
    **plain("--noise", "random", "request.look.noise", "random"),
    **plain("--noise-strength", "0.5,2", "request.look.noise_strength", (0.5, 2.0)),
    **plain("--translate", "0.25,-1", "request.look.translate", (0.25, -1.0)),
    **plain("--rotate", "30", "request.look.rotate", 30.0),
    "--mix": Row(
        ("--mix", "3-5,1+9", "--layers", "0-3"),
        "request.mix",
        Mix(rows="3-5", columns="1+9", layers="0-3"),
    ),
    "--layers": Row(
        ("--layers", "4-"),
        "request.mix.layers",
        "4-",
        base=("model", "--out", "a.png", "--mix", "1,2", "--layers", "0"),
    ),
    **plain("--columns", "3", "request.columns", 3),
    "--animate": Row(("--animate", "--out", "a"), "kind", "sequence"),
    "--space": Row(("--space", "z", "--out", "a.gif"), "request.motion.space", "z"),
    "--kind": Row(("--kind", "cubic", "--out", "a.gif"), "request.motion.kind", "cubic"),
    "--frames-per-seed": Row(
        ("--frames-per-seed", "4", "--out", "a.gif"), "request.motion.frames_per_seed", 4
    ),
    "--fps": Row(("--fps", "23.976", "--out", "a.gif"), "request.motion.fps", 23.976),
    "--walks": Row(("--walks", "4x2", "--out", "a.gif"), "request.motion.walks", (4, 2)),
    "--scale": Row(("--scale", "3", "--out", "a.gif"), "request.motion.scale", 3),
    "--size": Row(("--size", "640x360", "--out", "a.gif"), "request.motion.size", (640, 360)),
    "--direction": Row(("--direction", "f:3"), "request.along", Along(direction="f:3")),
    "--range": Row(
        ("--range", "-2..1"),
        "request.along.span",
        (-2.0, 1.0),
        base=("model", "--out", "a.png", "--direction", "f:3"),
    ),
    "--like": f"{LAST}sample_again.py::test_what_is_typed_is_a_difference",
    **DEVICE,
    **plain("--seed", "5", "request.seed", 5),
    **PLUGIN,
    **DEBUG,
}
