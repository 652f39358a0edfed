"""A folder that a hub runs as a Space: a page that draws from a model, on the free CPUs.

    app.py              the page, in gradio
    requirements.txt    what the hub installs
    README.md           the Space's settings, and what it is
    model/              the checkpoint, without what only training reads; or only its name on a hub
    gan/, ops/          the part of this package that draws, as it is here

The package goes along because nothing says that the hub can install this version of it.
"""

import json
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

import gan
from gan import hub
from gan.errors import UsageError, UserError
from gan.files import atomic_folder
from gan.models import card, checkpoint, content, hub_card, light, publication
from gan.models.content import Checkpoint

TITLE = "Images of {name}"
LEFT_OUT = ("jobs", "web", "cli", "csrc", "prebuilt", "__pycache__")  # folders that the page does not need
NEEDED = ("torch", "numpy", "pillow", "safetensors", "pyyaml", "tqdm")
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
GRADIO = "6.0"  # the oldest that the page was made for
APP = '''\
"""Draws from {model}: `python app.py` on this machine, or as a Space."""

import os

os.environ.setdefault("GAN_OPS", "reference")  # plain PyTorch: nothing is compiled when the Space starts

from pathlib import Path

from gan.models.gradio_page import Drawer, page

MODEL = {place}
drawer = Drawer(MODEL)
draw = drawer.draw
demo = page(drawer, {title})

if __name__ == "__main__":
    demo.queue(max_size=32).launch()
'''


def write(
    model: str | Path, out: str | Path, *, name: str | None = None, title: str | None = None
) -> dict[str, Any]:
    """Write the folder `out` for a model: its path, files, bytes, title and model.

    name: of the same model on a hub, hf://user/name@revision, which the page then loads when it starts;
    None puts the model into the folder. title: None says what the images are of. Raises UsageError for a name
    that is none, UserError where there is no model, it needs a plug-in, or `out` is there already.
    """
    out = Path(out)
    if name is not None:
        name = str(hub.parse(name, "model"))
    if out.exists():
        raise UserError(f"{out} is there already: choose another --out, or remove it")
    saved = usable(model)
    data = saved.config.get("data") or {}
    title = title or TITLE.format(name=data.get("name") or "unknown data")
    with atomic_folder(out) as folder:
        place = "Path(__file__).parent / 'model'" if name is None else repr(name)
        told = repr(name or saved.source)
        (folder / "app.py").write_text(
            APP.format(model=told.strip("'\""), place=place, title=json.dumps(title)), encoding="utf-8"
        )
        (folder / "requirements.txt").write_text(requirements(name is not None), encoding="utf-8")
        (folder / "README.md").write_text(_readme(saved.config, title, name), encoding="utf-8")
        if name is None:
            _copy_model(saved.path, folder / "model")
        for package in ("gan", "ops"):
            source = Path(gan.__file__).resolve().parents[1] / package
            shutil.copytree(source, folder / package, ignore=shutil.ignore_patterns(*LEFT_OUT))
    paths = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in paths)
    return {"path": str(out), "files": len(paths), "bytes": size, "title": title, "model": name or "model/"}


def usable(model: str | Path) -> Checkpoint:
    """The checkpoint of a model. UserError where there is none, UsageError where it needs a plug-in."""
    saved = checkpoint.read(checkpoint.resolve(model))
    if needed := (saved.config.get("run") or {}).get("plugins"):
        named = ", ".join(str(plugin.get("name")) for plugin in needed)
        raise UsageError(f"{saved.path} needs the plug-in {named}, and a Space runs none: it cannot be shown")
    return saved


def requirements(has_name: bool) -> str:
    """requirements.txt: those of this package that drawing needs, in its words, with PyTorch for CPUs."""
    try:
        told = metadata.requires("gan-workbench") or []
    except metadata.PackageNotFoundError:  # run from its folder, and not installed
        told = []
    by_name = {line.partition(">")[0].partition(";")[0].strip(): line for line in told if "extra" not in line}
    lines = [f"--extra-index-url {CPU_WHEELS}", *(by_name.get(each, each) for each in NEEDED)]
    return "\n".join([*lines, f"gradio>={GRADIO}", *(["huggingface_hub"] if has_name else [])]) + "\n"


def _readme(config: dict[str, Any], title: str, name: str | None) -> str:
    meta: dict[str, Any] = {
        "title": title,
        "sdk": "gradio",
        "app_file": "app.py",
        "pinned": False,
        "license": hub_card.licence((config.get("data") or {}).get("licence"))[0],
    }
    if name is not None:
        meta["models"] = [hub.parse(name, "model").repo]
    text = yaml.safe_dump(meta, sort_keys=False, allow_unicode=True)
    return (
        f"---\n{text}---\n\n# {title}\n\n{card.NOTICE}\n\nMade by `gan space`, version {gan.__version__}. "
        "To run it here: `pip install -r requirements.txt`, then `python app.py`.\n\n"
        f"{card.USE}"
    )


def _copy_model(source: Path, target: Path) -> None:
    """A checkpoint with what drawing needs and its card, and without folders of this machine."""
    wanted = [name for name in content.USED if name not in (*light.HEAVY, "config.json")]
    publication.copied(source, target, wanted)
