"""Files -> a repository on a hub, as one commit: all of them appear there, or none.

Large files are sent first, one by one, and in chunks where huggingface_hub has its hf_xet. A push that was
cut off is typed again: what the hub has already is not sent a second time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gan import hub
from gan.errors import UsageError, UserError
from gan.hub import Name

Earlier = Callable[
    [Sequence[str]], Iterable[str]
]  # paths there -> those of earlier pushes; UserError to refuse


def target(name: str, kind: str, revision: str | None) -> Name:
    """The repository and branch that `user/name` means. UsageError for what is no place to push to."""
    found = hub.parse(name if hub.is_name(name) else f"hf://{hub.FOLDERS[kind]}{name}", kind)
    if found.inside or (revision and found.revision not in (hub.MAIN, revision)):
        raise UsageError(f"{name} is no place to push to: write user/name, and a branch as --revision")
    found = found.at(revision or found.revision)
    if found.pinned:
        raise UsageError(f"{found.revision} is a commit, which never changes: push to a branch")
    return found


def paths(place: Name) -> list[str]:
    """Files of a repository; [] where there is none. UserError as `push` has it."""
    api = _api()
    with hub.asking(place):
        if not api.repo_exists(place.repo, repo_type=place.kind):
            return []
        found = api.repo_info(place.repo, repo_type=place.kind, revision=place.revision)
    return [sibling.rfilename for sibling in found.siblings or []]


def push(place: Name, files: Mapping[str, Path], earlier: Earlier, *, private: bool, message: str) -> str:
    """Push files, by their paths in the repository, which is made if there is none; returns the commit.

    earlier: which paths there are of earlier pushes, and go if `files` lacks them. Raises UserError without a
    token, offline, where the hub refuses, where `earlier` does, and where private is asked of a repository
    that is public already.
    """
    api = _api()
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with hub.asking(place):
        api.create_repo(
            place.repo,
            repo_type=place.kind,
            private=private,
            exist_ok=True,
            space_sdk="gradio" if place.kind == "space" else None,
        )
        if place.revision != hub.MAIN:
            api.create_branch(place.repo, branch=place.revision, repo_type=place.kind, exist_ok=True)
        there = api.repo_info(place.repo, repo_type=place.kind, revision=place.revision)
        if private and there.private is False:
            raise UserError(
                f"{place.repo} exists and is public: make it private in its settings at {place.page}, or take"
                " another name"
            )
        held = [sibling.rfilename for sibling in there.siblings or []]
        changes: list[Any] = [CommitOperationAdd(path, file) for path, file in files.items()]
        gone = [path for path in earlier(held) if path in held and path not in files]
        changes += [CommitOperationDelete(path) for path in gone]
        done = api.create_commit(
            place.repo, changes, commit_message=message, revision=place.revision, repo_type=place.kind
        )
    return str(done.oid)


def _api() -> Any:
    """The hub, for somebody who may write."""
    api = hub.api()
    from huggingface_hub import get_token

    if hub.is_offline():
        raise UserError("HF_HUB_OFFLINE is set, so nothing can be pushed: unset it")
    if not get_token():
        raise UserError(hub.NO_TOKEN)
    return api
