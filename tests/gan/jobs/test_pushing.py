"""`gan push --space`: the model and a page that draws from that commit, on a hub of the test's own."""

import pytest
import yaml

from gan.errors import UsageError, UserError
from gan.jobs import pushing, space
from gan.models import checkpoint
from tests.gan.models.fake_hub import Hub

NAME = "user/glyphs"


def held(hub: Hub, kind: str) -> dict[str, bytes]:
    return hub.repositories[kind, NAME].files("main")[1]


def test_a_model_and_its_page(fake_hub, token, run_folder, tmp_path):
    record = pushing.push(run_folder, NAME, space=True)
    files = held(fake_hub, "spaces")
    assert f"MODEL = {record['name']!r}" in files["app.py"].decode()
    assert yaml.safe_load(files["README.md"].split(b"---\n")[1])["models"] == [NAME]
    space.write(run_folder, tmp_path / "space", name=record["name"])  # the folder is that of `gan space`
    found = [path for path in (tmp_path / "space").rglob("*") if path.is_file()]
    written = {path.relative_to(tmp_path / "space").as_posix(): path.read_bytes() for path in found}
    assert {path: content for path, content in files.items() if path != ".gitattributes"} == written
    assert set(record["space"]["files"]) == set(written) and record["space"]["model"] == record["name"]
    assert record["space"]["url"] == f"{fake_hub.address}/spaces/{NAME}"


def test_without_space_there_is_none(fake_hub, token, run_folder):
    assert "space" not in pushing.push(run_folder, NAME)
    assert set(fake_hub.repositories) == {("models", NAME)}


def test_a_later_push_takes_away_files_of_an_older_version(fake_hub, token, run_folder):
    old = {pushing.PAGE: b"", "gan/gone.py": b"", "app.py": b"old", "notes.txt": b"own"}
    fake_hub.put(NAME, old, "spaces")
    pushing.push(run_folder, NAME, space=True)
    files = held(fake_hub, "spaces")
    assert "gan/gone.py" not in files and files["notes.txt"] == b"own" and files["app.py"] != b"old"


@pytest.mark.parametrize("path", ["app.py", "index.html"])
def test_a_space_of_another_kind_stays(path, fake_hub, token, run_folder):
    fake_hub.put(NAME, {path: b"own", "README.md": b"own"}, "spaces")
    with pytest.raises(UserError, match="is a Space that `gan space` did not make: push under another name"):
        pushing.push(run_folder, NAME, space=True)
    assert held(fake_hub, "spaces")[path] == b"own" and ("models", NAME) not in fake_hub.repositories


def test_a_private_model_has_a_private_page(fake_hub, token, run_folder):
    pushing.push(run_folder, NAME, space=True, private=True)
    assert fake_hub.repositories["spaces", NAME].private and fake_hub.repositories["models", NAME].private


def test_a_branch_is_of_the_model_alone(fake_hub, token, run_folder):
    record = pushing.push(run_folder, NAME, space=True, revision="small")
    assert set(fake_hub.repositories["spaces", NAME].branches) == {"main"}
    assert record["name"].endswith(fake_hub.repositories["models", NAME].branches["small"])
    assert record["name"].encode() in held(fake_hub, "spaces")["app.py"]


def test_a_dry_run_asks_nobody(fake_hub, run_folder):
    record = pushing.push(run_folder, NAME, space=True, dry_run=True)
    assert fake_hub.asked == [] and record["space"]["model"] == f"hf://{NAME}@main"
    assert {"app.py", "requirements.txt", pushing.PAGE} <= set(record["space"]["files"])


def test_a_model_with_a_plug_in_is_refused_before_anything_is_pushed(fake_hub, token, run_folder):
    folder = checkpoint.resolve(run_folder)
    saved = checkpoint.read(folder)
    config = {**saved.config, "run": {"plugins": [{"name": "own.py", "path": "own.py", "sha256": "0"}]}}
    config.pop("format")
    checkpoint.write(folder, config=config, generator=saved.generator(), discriminator=None, card="")
    with pytest.raises(UsageError, match="a Space runs none"):
        pushing.push(run_folder, NAME, space=True)
    assert fake_hub.asked == []
