"""Make the pages' pictures again: `make pictures`, or `python docs/pictures.py docs/images/demo-grid.png`.

PICTURES has the commands of each. They run in the project's folder, and what they leave in runs/ and data/ is
taken up the next time. All of them take an hour on two cores, the demo's training among them.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGES = "docs/images"

DEMO = "gan demo"  # a finished run is only reported
RUN = "runs/00000-demo-openmoji-32"
EARLY = "runs/48/00000-demo-openmoji-32"
TRAIN_EARLY = (
    f"test -d {EARLY} || gan train --data data/openmoji-32.zip --preset demo --kimg 48 --out runs/48"
)
GLYPHS = (
    "gan data openmoji --resolution 64 --out data/openmoji-64.zip",
    "gan data prepare data/openmoji-64.zip --out data/glyphs-32.zip --resolution 32",
)
SHOT = "python docs/screenshot.py"
COLLAPSE = "python -m benchmarks.collapse --out runs/collapse"
PAGE = "python -m tests.docs.running"

# Picture -> the commands that make it, in order.
PICTURES: dict[str, tuple[str, ...]] = {
    "demo-grid.png": (DEMO, f"cp {RUN}/grid.png {IMAGES}/demo-grid.png"),
    "demo-progress.png": (DEMO, f"cp {RUN}/progress.png {IMAGES}/demo-progress.png"),
    "truncation-global.png": (
        TRAIN_EARLY,
        f"gan sample {EARLY} --seeds 0-15 --columns 8 --psi 0.3 --out {IMAGES}/truncation-global.png",
    ),
    "truncation-nearest.png": (
        TRAIN_EARLY,
        f"gan sample {EARLY} --seeds 0-15 --columns 8 --psi 0.3 --truncation-center nearest:8 "
        f"--out {IMAGES}/truncation-nearest.png",
    ),
    "style-mixing.png": (
        TRAIN_EARLY,
        f"gan sample {EARLY} --mix 3+5+14+21,2+9+11+17+26 --layers 0-3 --psi 0.8 "
        f"--out {IMAGES}/style-mixing.png",
    ),
    "collapse-digits.png": (COLLAPSE, f"{COLLAPSE} --table --pictures {IMAGES}"),
    "collapse-grid.png": (COLLAPSE, f"{COLLAPSE} --table --pictures {IMAGES}"),
    "data-report.png": (
        *GLYPHS,
        "gan data report data/glyphs-32.zip",
        f"{SHOT} {IMAGES}/data-report.png --size 1100x900 data/glyphs-32.report.html",
    ),
    "data-review.png": (
        *GLYPHS,
        f"{SHOT} {IMAGES}/data-review.png --size 1100x690 -- gan data review data/glyphs-32.zip",
    ),
    "explore-light.png": (DEMO, f"{SHOT} {IMAGES}/explore-light.png --size 1360x900 -- gan explore {RUN}"),
    "explore-dark.png": (
        DEMO,
        f"{SHOT} {IMAGES}/explore-dark.png --size 1360x900 --dark "
        f"-- gan explore {RUN} {RUN}/checkpoints/000000",
    ),
    "explore-narrow.png": (DEMO, f"{SHOT} {IMAGES}/explore-narrow.png --size 390x844 -- gan explore {RUN}"),
    "rate-page.png": (
        DEMO,
        f"{SHOT} {IMAGES}/rate-page.png --size 1000x640 "
        f"-- gan rate {RUN} {RUN}/checkpoints/000000 --kind pairs --trials 20 --out runs/rated",
    ),
    "report-light.png": (
        DEMO,
        f"gan report {RUN}",
        f"{SHOT} {IMAGES}/report-light.png --size 1100x900 {RUN}/report.html",
    ),
    "report-phone-dark.png": (
        DEMO,
        f"gan report {RUN}",
        f"{SHOT} {IMAGES}/report-phone-dark.png --size 390x844 --dark {RUN}/report.html",
    ),
    "report-comparison.png": (
        DEMO,
        TRAIN_EARLY,
        f"gan report {RUN} {EARLY} --out runs/comparison.html",
        f"{SHOT} {IMAGES}/report-comparison.png --size 1100x900 --dark runs/comparison.html",
    ),
    "tutorial-photographs.png": (
        f"{PAGE} tutorials/photographs.md grid.png {IMAGES}/tutorial-photographs.png",
    ),
    "tutorial-conditional.png": (
        f"{PAGE} tutorials/conditional.md classes.png {IMAGES}/tutorial-conditional.png",
    ),
}
# Pictures of what a person has done on a page: no command makes them again.
BY_HAND = {
    "explore-edit.png": "handles and targets drawn on the picture, and keyframes, in `gan explore`",
    "report-print.png": "the third page of `gan report`, printed",
    "serve-page.png": "four images drawn on the page of `gan serve`, with a key",
    "serve-page-dark.png": "the same in the dark",
    "serve-page-narrow.png": "the same on a phone",
    "space.png": "nine glyphs drawn on the page that `gan space` writes",
    "rate-report.png": "answers of raters, simulated ones here; `gan rate STUDY --report` writes the page",
}


def commands(names: list[str]) -> list[str]:
    """What is to be typed for these pictures, in order, each once."""
    return list(dict.fromkeys(command for name in names for command in PICTURES[name]))


def main(arguments: list[str]) -> None:
    """All pictures, or those that are named by file."""
    names = [Path(argument).name for argument in arguments] or list(PICTURES)
    if unknown := sorted(set(names) - set(PICTURES)):
        why = [f"{name}: {BY_HAND.get(name, 'no such picture')}" for name in unknown]
        sys.exit("; ".join(why))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in commands(names):
        print(f"$ {command}", flush=True)
        subprocess.run(command, shell=True, check=True, cwd=ROOT, env=environment)


if __name__ == "__main__":
    main(sys.argv[1:])
