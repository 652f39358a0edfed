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
from gan import hub, shapes
from gan.errors import UsageError, UserError
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
    target = _target(name, revision)
    with tempfile.TemporaryDirectory(prefix="gan-push-") as temporary:
        if isinstance(model, nn.Module):
            saved = checkpoint.read(save_pretrained(model, Path(temporary) / "saved"))
        else:
            saved = checkpoint.read(checkpoint.resolve(model))
        folder = _staged(saved, Path(temporary) / "staged", target)
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        record = {
            "name": str(target),
            "url": f"{hub.endpoint()}/{target.repo}",
            "private": private,
            "files": sizes,
            "readme": (folder / "README.md").read_text(encoding="utf-8"),
        }
        return record if dry_run else {**record, "name": str(target.at(_pushed(folder, target, private)))}


def _target(name: str, revision: str | None) -> hub.Name:
    target = hub.parse(name if hub.is_name(name) else f"hf://{name}", "model")
    if target.inside or (revision and target.revision not in (hub.MAIN, revision)):
        raise UsageError(f"{name} is no place to push to: write user/name, and a branch as --revision")
    target = target.at(revision or target.revision)
    if target.pinned:
        raise UsageError(f"{target.revision} is a commit, which never changes: push to a branch")
    return target


def _staged(saved: Checkpoint, folder: Path, target: hub.Name) -> Path:
    """The files of the repository in a folder of their own; large ones are not copied where that can be."""
    wanted = [name for name in content.USED if name not in (*TRAINING, "config.json")]
    config = publication.copied(saved.path, folder, wanted)
    text = (folder / "card.md").read_text(encoding="utf-8")
    readme = hub_card.readme(config, text, target.repo, Run(saved.run).records)
    (folder / "README.md").write_text(readme, encoding="utf-8")
    return folder


def _pushed(folder: Path, target: hub.Name, private: bool) -> str:
    """Push a folder, remove files of an earlier push that it lacks, and return the commit."""
    api = hub.api()
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, get_token

    if hub.is_offline():
        raise UserError("HF_HUB_OFFLINE is set, so nothing can be pushed: unset it")
    if not get_token():
        raise UserError(hub.NO_TOKEN)
    with hub.asking(target):
        api.create_repo(target.repo, repo_type="model", private=private, exist_ok=True)
        if target.revision != hub.MAIN:
            api.create_branch(target.repo, branch=target.revision, repo_type="model", exist_ok=True)
        there = api.repo_info(target.repo, repo_type="model", revision=target.revision)
        if private and there.private is False:
            raise UserError(
                f"{target.repo} exists and is public: make it private in its settings at {hub.endpoint()}, or"
                " take another name"
            )
        paths = sorted(folder.iterdir())
        changes: list[Any] = [CommitOperationAdd(path.name, path) for path in paths]
        here = {path.name for path in paths}
        old = [s.rfilename for s in there.siblings or [] if s.rfilename in hub_checkpoints.WANTED]
        changes += [CommitOperationDelete(name) for name in old if name not in here]
        done = api.create_commit(
            target.repo, changes, commit_message="Model", revision=target.revision, repo_type="model"
        )
    return str(done.oid)
