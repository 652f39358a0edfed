"""Models and a hub: a generator as a folder that everything here loads, and a model pushed by name.

A repository holds what a checkpoint folder holds but for what only training reads: config.json,
generator.safetensors, discriminator.safetensors if there is one, conditions.safetensors, card.md and
manifest.json with their digests; and README.md, which the hub shows. Paths of the machine that trained are
left out. Reading is `gan.load("hf://user/name@revision")`.
"""

import tempfile
from pathlib import Path
from typing import Any

from torch import nn

from gan import config as configs
from gan import hub, hub_pushing, shapes
from gan.models import card, checkpoint, content, hub_card, hub_checkpoints, publication
from gan.models.content import Checkpoint
from gan.models.light import TRAINING
from gan.models.runs import Run


def save_pretrained(generator: nn.Module, folder: str | Path) -> Path:
    """Write a generator as a checkpoint without a discriminator, all of it or nothing; returns the folder.

    What it was read from tells of run and data; one that was built here has 0 kimg and no data. Raises
    UserError if `folder` is not writable.
    """
    about = dict(getattr(generator, "about", None) or {"kimg": 0.0, "run": {}, "data": {}})
    about.pop("format", None)
    config: Any = generator.config
    about["generator"] = configs.to_dict(config)
    count = sum(parameter.numel() for parameter in generator.parameters())
    text = card.build(about, image_shape=shapes.image_shape(config), parameters={"generator": count})
    return checkpoint.write(folder, config=about, generator=generator, discriminator=None, card=text)


def push_to_hub(
    model: nn.Module | str | Path,
    name: str,
    *,
    private: bool = False,
    revision: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Push a model to `user/name` on the hub, as one commit; the repository is made if there is none.

    model: a generator, or whatever `gan.models.checkpoint.resolve` finds. revision: a branch, made if there
    is none; None for main. dry_run: say what would be pushed, and ask nobody. Returns name (with the commit,
    if pushed), url, private, files (name -> bytes) and readme.

    Raises UsageError for a name that is none, UserError for a missing or damaged model, without a token,
    where the hub refuses, and where private is asked of a repository that is public already.
    """
    target = hub_pushing.target(name, "model", revision)
    with tempfile.TemporaryDirectory(prefix="gan-push-") as temporary:
        if isinstance(model, nn.Module):
            saved = checkpoint.read(save_pretrained(model, Path(temporary) / "saved"))
        else:
            saved = checkpoint.read(checkpoint.resolve(model))
        folder = _staged(saved, Path(temporary) / "staged", target)
        files = {path.name: path for path in sorted(folder.iterdir())}
        record = {
            "name": str(target),
            "url": target.page,
            "private": private,
            "files": {path: file.stat().st_size for path, file in files.items()},
            "readme": (folder / "README.md").read_text(encoding="utf-8"),
        }
        if dry_run:
            return record
        commit = hub_pushing.push(
            target, files, lambda _: hub_checkpoints.WANTED, private=private, message="Model"
        )
        return {**record, "name": str(target.at(commit))}


def _staged(saved: Checkpoint, folder: Path, target: hub.Name) -> Path:
    """The files of the repository in a folder of their own; large ones are not copied where that can be."""
    wanted = [name for name in content.USED if name not in (*TRAINING, "config.json")]
    config = publication.copied(saved.path, folder, wanted)
    text = (folder / "card.md").read_text(encoding="utf-8")
    readme = hub_card.readme(config, text, target.repo, Run(saved.run).records)
    (folder / "README.md").write_text(readme, encoding="utf-8")
    return folder
