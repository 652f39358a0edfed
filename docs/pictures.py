"""Make the pages' pictures again: `make pictures`, or `python docs/pictures.py docs/images/demo-grid.png`.

`--list` says what each is made from and how long that takes where nothing of it is there; `--from demo,study`
makes those that need nothing else. Commands run in the project's folder, and what they leave in runs/ and
data/ is taken up the next time: a run of your own in its place serves as well.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
IMAGES = "docs/images"


class Source(NamedTuple):
    """What pictures are made from.  time: of two cores.  needs: other sources, which go first."""

    what: str
    time: str
    commands: tuple[str, ...]
    needs: tuple[str, ...] = ()


class Picture(NamedTuple):
    """A picture: its sources, and the commands that follow theirs."""

    sources: tuple[str, ...]
    commands: tuple[str, ...]


RUN = "runs/00000-demo-openmoji-32"
EARLY = "runs/48/00000-stylegan2-tiny-openmoji-32"
RATED = ("runs/rated/5-kimg", "runs/rated/20-kimg", "runs/rated/last")
SHOT = "python docs/screenshot.py"
EXPLORED = "--wait '#figures canvas[data-moving=false]'"  # its picture is drawn
SEED = '--at \'{"point": {"seed": 7}}\''
MOVED = '--at \'{"point": {"seed": 7, "amounts": [0, 1.2, 0, -0.8]}}\''
MAPPED = f"{EXPLORED} --wait '.map .dot'"
COLLAPSE = "python -m benchmarks.collapse --out runs/collapse"
PAGE = "python -m tests.docs.running"
DRAWN = "gan sample {model} --seeds 0-39 --out {out}"

SOURCES: dict[str, Source] = {
    "demo": Source("the run of `gan demo`", "12 minutes", ("gan demo",)),
    "early": Source(
        "the preset stylegan2-tiny after 48 kimg",
        "8 minutes",
        (
            f"test -d {EARLY}"
            " || gan train --data data/openmoji-32.zip --preset stylegan2-tiny --kimg 48 --out runs/48",
        ),
        ("demo",),
    ),
    "glyphs": Source(
        "glyphs that were prepared as photographs are",
        "2 minutes",
        (
            "gan data openmoji --resolution 64 --out data/openmoji-64.zip --force",
            "gan data prepare data/openmoji-64.zip --out data/glyphs-32.zip --resolution 32 --force",
        ),
    ),
    "study": Source(
        "samples of three checkpoints of the demo, judged by simulated raters",
        "1 minute",
        (
            "rm -rf runs/rated",
            DRAWN.format(model=f"{RUN}/checkpoints/000005*", out=RATED[0]),
            DRAWN.format(model=f"{RUN}/checkpoints/000020*", out=RATED[1]),
            DRAWN.format(model=RUN, out=RATED[2]),
            f"python docs/simulated_raters.py runs/rated/study {' '.join(RATED)}",
        ),
        ("demo",),
    ),
    "collapse": Source("all runs of the benchmark of mode collapse", "hours", (COLLAPSE,)),
    "tutorials": Source("what the tutorials train", "3 minutes each", ()),
}

PICTURES: dict[str, Picture] = {
    "demo-grid.png": Picture(("demo",), (f"cp {RUN}/grid.png {IMAGES}/demo-grid.png",)),
    "demo-progress.png": Picture(("demo",), (f"cp {RUN}/progress.png {IMAGES}/demo-progress.png",)),
    "truncation-global.png": Picture(
        ("early",),
        (f"gan sample {EARLY} --seeds 0-15 --columns 8 --psi 0.3 --out {IMAGES}/truncation-global.png",),
    ),
    "truncation-nearest.png": Picture(
        ("early",),
        (
            f"gan sample {EARLY} --seeds 0-15 --columns 8 --psi 0.3 --truncation-center nearest:8 "
            f"--out {IMAGES}/truncation-nearest.png",
        ),
    ),
    "style-mixing.png": Picture(
        ("early",),
        (
            f"gan sample {EARLY} --mix 3+5+14+21,2+9+11+17+26 --layers 0-3 --psi 0.8 "
            f"--out {IMAGES}/style-mixing.png",
        ),
    ),
    "collapse-digits.png": Picture(("collapse",), (f"{COLLAPSE} --table --pictures {IMAGES}",)),
    "collapse-grid.png": Picture(("collapse",), (f"{COLLAPSE} --table --pictures {IMAGES}",)),
    "data-report.png": Picture(
        ("glyphs",),
        (
            "gan data report data/glyphs-32.zip",
            f"{SHOT} {IMAGES}/data-report.png --size 1100x900 data/glyphs-32.report.html",
        ),
    ),
    "data-review.png": Picture(
        ("glyphs",),
        (f"{SHOT} {IMAGES}/data-review.png --size 1100x690 -- gan data review data/glyphs-32.zip",),
    ),
    "explore-light.png": Picture(
        ("demo",),
        (f"{SHOT} {IMAGES}/explore-light.png --size 1360x900 {MOVED} {MAPPED} -- gan explore {RUN}",),
    ),
    "explore-dark.png": Picture(
        ("demo",),
        (
            f"{SHOT} {IMAGES}/explore-dark.png --size 1360x900 --dark {SEED} {MAPPED} "
            f"-- gan explore {RUN} {RUN}/checkpoints/000020*",
        ),
    ),
    "explore-narrow.png": Picture(
        ("demo",),
        (f"{SHOT} {IMAGES}/explore-narrow.png --size 390x844 {SEED} {EXPLORED} -- gan explore {RUN}",),
    ),
    "rate-page.png": Picture(
        ("study",),
        (
            "rm -rf runs/rated/shown",
            f"{SHOT} {IMAGES}/rate-page.png --size 1000x640 --press Enter "
            f"-- gan rate {' '.join(RATED)} --kind pairs --trials 20 --out runs/rated/shown",
        ),
    ),
    "rate-report.png": Picture(
        ("study",),
        (
            "gan rate runs/rated/study --report",
            f"{SHOT} {IMAGES}/rate-report.png --size 1000x760 runs/rated/study/report.html",
        ),
    ),
    **{
        f"report-{form}.png": Picture(
            ("demo", "early"), (f"python -m benchmarks.report_pictures {RUN} {EARLY} --out {IMAGES}",)
        )
        for form in ("light", "phone-dark", "comparison", "print")
    },
    "tutorial-photographs.png": Picture(
        ("tutorials",), (f"{PAGE} tutorials/photographs.md grid.png {IMAGES}/tutorial-photographs.png",)
    ),
    "tutorial-conditional.png": Picture(
        ("tutorials",), (f"{PAGE} tutorials/conditional.md classes.png {IMAGES}/tutorial-conditional.png",)
    ),
}
# Pictures of what a person has done on a page: no command makes them again.
BY_HAND = {
    "explore-edit.png": "handles and targets drawn on the picture, and keyframes, in `gan explore`",
    "serve-page.png": "four images drawn on the page of `gan serve`, with a key",
    "serve-page-dark.png": "the same in the dark",
    "serve-page-narrow.png": "the same on a phone",
    "space.png": "nine glyphs drawn on the page that `gan space` writes",
}


def sources(names: Sequence[str]) -> list[str]:
    """Sources of these names, those that they need before them."""
    found = [need for name in names for need in (*sources(SOURCES[name].needs), name)]
    return list(dict.fromkeys(found))


def commands(names: Sequence[str]) -> list[str]:
    """What is to be typed for these pictures, in order, each once."""
    found = []
    for picture in (PICTURES[name] for name in names):
        for source in sources(picture.sources):
            found += SOURCES[source].commands
        found += picture.commands
    return list(dict.fromkeys(found))


def listed() -> str:
    """Each source, how long it takes, and the pictures that are made from it."""
    lines = []
    for name, source in SOURCES.items():
        lines.append(f"{name}: {source.what}; {source.time}")
        lines += [f"  {picture}" for picture, row in PICTURES.items() if row.sources[-1] == name]
    lines += ["by hand:", *(f"  {name}: {how}" for name, how in BY_HAND.items())]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """All pictures, those of some sources, or those that are named by file."""
    parser = argparse.ArgumentParser(description="The pages' pictures, made again.")
    parser.add_argument("picture", nargs="*", help="by file; all by default")
    parser.add_argument("--from", dest="chosen", metavar="SOURCE,...", help="those that need nothing else")
    parser.add_argument("--list", action="store_true", help="say what each is made from, and stop")
    given = parser.parse_args(arguments)
    if given.list:
        print(listed())
        return
    names = [Path(picture).name for picture in given.picture] or list(PICTURES)
    if unknown := sorted(set(names) - set(PICTURES)):
        why = [f"{name}: {BY_HAND.get(name, 'no such picture')}" for name in unknown]
        sys.exit("; ".join(why))
    if given.chosen:
        allowed = set(given.chosen.split(","))
        if unknown := sorted(allowed - set(SOURCES)):
            sys.exit(f"no such source: {', '.join(unknown)}; there are {', '.join(SOURCES)}")
        names = [name for name in names if set(sources(PICTURES[name].sources)) <= allowed]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in commands(names):
        print(f"$ {command}", flush=True)
        subprocess.run(command, shell=True, check=True, cwd=ROOT, env=environment)


if __name__ == "__main__":
    main(sys.argv[1:])
