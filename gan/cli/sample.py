"""`gan sample`: seeds -> a folder of PNGs, one labelled grid, or a looped video, by the suffix of --out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gan.cli.common import MAX_SEED, Finite, debug_option, device_option, plugin_option
from gan.errors import UsageError

if TYPE_CHECKING:
    from gan.jobs.sampling.request import Request

_KEY = "gan.sample"  # in the meta of a click context: what was typed of the request, by dotted name
ONLY_FOR = {  # option -> kinds of output that it means something for
    "columns": ("grid",),
    "space": ("video", "sequence"),
    "kind": ("video", "sequence"),
    "frames_per_seed": ("video", "sequence"),
    "fps": ("video",),
    "walks": ("video", "sequence"),
    "scale": ("video", "sequence"),
    "size": ("video", "sequence"),
}
EPILOG = """\b
Examples:
  gan sample runs/00000-demo-openmoji-32 --out grid.png
  gan sample runs/00000-demo-openmoji-32 --seeds 0-999 --psi 0.7 --out samples
  gan sample runs/00000-demo-openmoji-32 --psi 0.5 --truncation-center nearest --out modes.png
  gan sample runs/00000-demo-openmoji-32 --mix 3-6,14+15+92 --layers 0-3 --out mix.png
  gan sample runs/00000-demo-openmoji-32 --seeds 0-7 --direction sefa.safetensors:3 --out along.png
  gan sample runs/00000-demo-openmoji-32 --seeds 0-31 --walks 4x2 --kind cubic --out walks.gif
  gan sample runs/00000-demo-openmoji-32 --like walks.gif --size 640x360 --out walks.mp4
"""


def _asked(name: str, parse: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """What makes of a click option one whose value, where it is typed, becomes that part of the request."""

    def keep(context: click.Context, option: click.Parameter, value: Any) -> None:
        if context.get_parameter_source(option.name) == click.core.ParameterSource.COMMANDLINE:
            context.meta.setdefault(_KEY, {})[name] = parse(value) if parse else value

    return {"expose_value": False, "callback": keep}


def _parser(name: str) -> Callable[[str], Any]:
    """A function of `gan.jobs.sampling.request`, which loads torch, by name: loaded when it is called."""

    def parse(text: str) -> Any:
        from gan.jobs.sampling import request

        return getattr(request, name)(text)

    return parse


def _numbers(option: str, count: int | None = None) -> Callable[[str], tuple[float, ...]]:
    """Parser of numbers with commas between."""

    def parse(text: str) -> tuple[float, ...]:
        from gan.jobs.sampling.request import parse_numbers

        return parse_numbers(option, text, count)

    return parse


def _vectors(text: str) -> tuple[tuple[float, ...], ...]:
    from gan.jobs.sampling.labels import parse_condition

    return tuple(map(tuple, parse_condition(text).tolist()))


@click.command("sample", epilog=EPILOG)
@click.argument("model")
@click.option("--out", required=True, type=click.Path(), help="Where to write; see above.")
@click.option(
    "--seeds",
    **_asked("seeds"),
    default="0-63",
    show_default=True,
    help="Numbers and ranges, as in 1,5,8-10.",
)
@click.option(
    "--psi",
    **_asked("look.psi"),
    type=float,
    default=1.0,
    show_default=True,
    help="Truncation: 1 is none, 0 gives the average.",
)
@click.option(
    "--psi-cutoff",
    **_asked("look.psi_cutoff"),
    type=click.IntRange(min=0),
    help="Truncate the first N layers.  [default: all]",
)
@click.option(
    "--truncation-center",
    **_asked("look.center"),
    metavar="global|class|nearest[:K]",
    default="global",
    show_default=True,
    help="Towards the average, that of the sample's class, or the nearest of K centres (64) found in w, which"
    " keeps apart what is in the data.",
)
@click.option("--class", **_asked("labels"), help="Class, by name or number.  [default: drawn for each seed]")
@click.option(
    "--condition",
    **_asked("vectors", _vectors),
    metavar="X,X,...|FILE.npy",
    help="Vector of conditions for all, or a file of one for each seed.  [default: some of the data's]",
)
@click.option(
    "--noise",
    **_asked("look.noise"),
    type=click.Choice(["const", "random", "none"]),
    default="const",
    show_default=True,
    help="Per-pixel noise: as trained, drawn for each image, or left out.",
)
@click.option(
    "--noise-strength",
    **_asked("look.noise_strength", _numbers("--noise-strength")),
    metavar="S[,S,...]",
    help="Noise times this, in all layers or one number for each.  [default: 1]",
)
@click.option(
    "--translate",
    **_asked("look.translate", _numbers("--translate", 2)),
    metavar="X,Y",
    help="StyleGAN3: move the picture right and down, in sides of a square one.  [default: 0,0]",
)
@click.option(
    "--rotate",
    **_asked("look.rotate"),
    type=Finite(),
    default=0.0,
    show_default=True,
    help="StyleGAN3: turn the picture, in degrees counter-clockwise.",
)
@click.option(
    "--mix",
    metavar="A,B",
    help="Style mixing: seed A with the --layers of seed B; lists joined by +, as 85-88,55+821, make rows and"
    " columns of a grid. In place of --seeds.",
)
@click.option("--layers", metavar="L-L,...", help="Which layers --mix takes from B, such as 0-3 or 8-.")
@click.option(
    "--direction",
    metavar="FILE:NUMBER",
    help="Each seed along a direction of gan directions, by number or name: a row of a grid, of --columns"
    " steps; a file a step; in a video there and back in --frames-per-seed.  [default: 5 steps]",
)
@click.option(
    "--range", "span", default="-3..3", show_default=True, help="--direction: standard deviations, from..to."
)
@click.option(
    "--columns",
    **_asked("columns"),
    type=click.IntRange(min=1),
    help="Grid: images per row.  [default: near square]",
)
@click.option(
    "--animate", is_flag=True, help="A walk where stills were meant: a .webp, or a folder of frames."
)
@click.option(
    "--space",
    **_asked("motion.space"),
    type=click.Choice(["w", "z"]),
    help="Video: walk between styles (w), or between latents (z)."
    "  [default: w; z for a model without styles]",
)
@click.option(
    "--kind",
    **_asked("motion.kind"),
    type=click.Choice(["linear", "spherical", "cubic"]),
    help="Video: straight, along great circles, or smooth at the seeds."
    "  [default: linear in w, spherical in z]",
)
@click.option(
    "--frames-per-seed",
    **_asked("motion.frames_per_seed"),
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Video: frames from one seed to the next.",
)
@click.option(
    "--fps",
    **_asked("motion.fps"),
    type=click.FloatRange(0, 1000, min_open=True),
    default=30.0,
    show_default=True,
    help="Video: frames per second, as 23.976. A GIF counts in 1/100 s and shows 50 at most.",
)
@click.option(
    "--walks",
    **_asked("motion.walks", _parser("parse_walks")),
    metavar="CxR",
    default="1x1",
    show_default=True,
    help="Video: walks side by side, in columns x rows; the seeds are shared out in their order.",
)
@click.option(
    "--scale",
    **_asked("motion.scale"),
    type=click.IntRange(1, 64),
    help="Video: whole factor to enlarge it by."
    "  [default: what makes 256 of the shorter side; 1 for a folder]",
)
@click.option(
    "--size",
    **_asked("motion.size", _parser("parse_size")),
    metavar="WxH",
    help="Video: width x height in pixels, in place of --scale.",
)
@click.option(
    "--like",
    type=click.Path(),
    metavar="FILE",
    help="Make a picture or video of gan sample again, from its metadata; what is typed is a difference.",
)
@device_option
@click.option(
    "--seed",
    **_asked("seed"),
    type=click.IntRange(0, MAX_SEED),
    default=0,
    show_default=True,
    help="Seed of everything random; the same seed repeats the result.",
)
@plugin_option
@debug_option
@click.pass_context
def command(
    ctx: click.Context,
    model: str,
    out: str,
    mix: str | None,
    layers: str | None,
    direction: str | None,
    span: str,
    animate: bool,
    like: str | None,
    device: str,
) -> None:
    """Draw images from MODEL, a run directory (its newest checkpoint) or a checkpoint directory.

    \b
    The suffix of --out decides what is written:
      none, or a number   one file per seed in a folder: seed0007.png, of --class flags seed0007-flags.png
      .png, .jpg, .webp   one grid, each image labelled with its seed
      .gif, .mp4          a looped video through the seeds (mp4: the extra "video")
      with --animate      a video as .webp, or as frames in a folder: frame000000.png

    An image depends on its own number in --seeds; --seed decides drawn classes and random noise. Each file
    says in its metadata how it was made, and of which weights: --like makes it again.
    """
    from gan.jobs import sampling
    from gan.jobs.sampling import outputs, recipe

    again = recipe.read(like) if like else None
    kind = outputs.output_kind(out, animate, again and again.made)
    _check_options(ctx, kind)
    request = _along(ctx, direction, span, _request(ctx, mix, layers, again and again.request))
    written = sampling.draw(model, request, out=out, kind=kind, device=device, like=again and (again, like))
    click.echo(_summary(Path(out), kind, written, request))


def _request(ctx: click.Context, mix: str | None, layers: str | None, base: "Request | None") -> "Request":
    """What was typed, over what a file was made by where there is one. UsageError for what does not fit."""
    from gan.jobs.sampling.request import Request, changed, parse_mix

    typed, base = dict(ctx.meta.get(_KEY, {})), base or Request()
    if mix is None and layers is not None and base.mix is None:
        raise UsageError("--layers is for --mix A,B: give both, or leave the layers out")
    if mix is not None:
        layers = layers or (base.mix and base.mix.layers)
        if layers is None:
            raise UsageError(f"--mix {mix}: say which layers come from the second seed with --layers, as 0-3")
        if "seeds" in typed:
            raise UsageError("--mix names its seeds itself: leave --seeds out")
        typed["mix"] = parse_mix(mix, layers)
    elif layers is not None:
        typed["mix.layers"] = layers
    elif "seeds" in typed:
        typed["mix"] = None
    if ("labels" in typed) != ("vectors" in typed):  # one typed takes the place of the other of a file
        typed.setdefault("labels", None)
        typed.setdefault("vectors", None)
    return changed(base, typed)


def _along(ctx: click.Context, direction: str | None, span: str, request: "Request") -> "Request":
    """The request along the direction and range that were typed. UsageError for a range without one."""
    from gan.jobs.sampling.request import Along, changed, parse_span

    if direction is not None:
        return changed(request, {"along": Along(direction=direction, span=parse_span(span))})
    if ctx.get_parameter_source("span") != click.core.ParameterSource.COMMANDLINE:
        return request
    if request.along is None:
        raise UsageError(f"--range {span} goes along a --direction FILE:NUMBER; give one, or leave it out")
    return changed(request, {"along.span": parse_span(span)})


def _summary(out: Path, kind: str, paths: Sequence[Path], request: "Request") -> str:
    """One line: what was written, and where."""
    from gan.latents import parse_seeds

    if request.along:
        (low, high), plural = request.along.span, "s" * (len(paths) > 1)
        return f"wrote {len(paths)} file{plural} along {request.along.direction}, {low:g}..{high:g}, to {out}"
    if kind == "video":
        walks = request.motion.walks
        count = len(parse_seeds(request.seeds)) * request.motion.frames_per_seed // (walks[0] * walks[1])
        return f"wrote a looped video of {count} frames to {out}"
    if kind == "grid" and request.mix:
        rows, columns = map(len, request.mix.seeds())
        return f"wrote a style-mixing grid of {rows} rows and {columns} columns to {out}"
    if kind == "grid":
        return f"wrote a grid of {len(parse_seeds(request.seeds))} images to {out}"
    what = "frames" if kind == "sequence" else "images"
    if kind == "image":
        return f"wrote 1 image to {out}"
    more = f" ... {paths[-1].name}" if len(paths) > 1 else ""
    return f"wrote {len(paths)} {what} to {out}/{paths[0].name}{more}"


def _check_options(ctx: click.Context, kind: str) -> None:
    """UsageError for an option that was typed but has no meaning for this kind of output."""
    for name, wanted in ONLY_FOR.items():
        if kind not in wanted and ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"{option} is for a {wanted[0]}, and this --out makes a {kind}; leave one of them out"
            )
