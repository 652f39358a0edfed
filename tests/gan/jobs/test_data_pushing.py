"""`gan data push` to a hub of the test's own, and the same set back by its name."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml

from gan import hub_files
from gan.errors import UsageError, UserError
from gan.jobs import datasets
from gan.jobs.data_pushing import push
from tests.gan.jobs.tiles import make
from tests.gan.models.fake_hub import LARGE, Hub
from training import run as runs
from training.data import hub_sets
from training.data.images import open_dataset
from training.data.places import local
from training.preparation import publishing
from training.preparation.datasheet import OPEN, answered, sheet_of
from training.preparation.sets import read_index

NAME = "user/tiles"
PEOPLE = "Does the set show people, or anything confidential or offensive?"
SHEET = f"# Data sheet of tiles\n\nHead.\n\n## Motivation\n\n**{PEOPLE}**\n\nNo.\n\n**Open?**\n\n{OPEN}\n"


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """A prepared zip with its sheet."""
    path = make(tmp_path / "tiles.zip")
    sheet_of(path).write_text(SHEET)
    return path


def digest(place: str | Path) -> str:
    dataset = open_dataset(place)
    dataset.close()
    return dataset.sha256


def held(hub: Hub) -> dict[str, bytes]:
    return hub.repositories["datasets", NAME].files("main")[1]


@pytest.mark.parametrize("out", ["tiles.zip", "tiles", "tiles/%05d.tar"])
def test_there_and_back(out, fake_hub, token, tmp_path):
    path = make(tmp_path / out)
    place = path.parent if out.endswith(".tar") else path
    record = push(place, NAME)
    sha = fake_hub.repositories["datasets", NAME].branches["main"]
    assert record["name"] == f"hf://datasets/{NAME}@{sha}" and record["sha256"] == digest(place)
    dataset = open_dataset(record["name"])
    assert dataset.sha256 == record["sha256"] and dataset.classes == ["cat", "dog"]
    assert dataset.labels.tolist() == [0, 1] * 3 and dataset.licence == "CC0-1.0"
    dataset.close()
    assert datasets.verify(record["name"], full=True)["problems"] == []
    assert set(held(fake_hub)) == {*record["files"], "README.md", ".gitattributes"}


def test_the_card(tiles, fake_hub):
    record = push(tiles, NAME, dry_run=True)
    assert fake_hub.asked == [] and set(record["files"]) == {"tiles.zip"} and record["open"] == 1
    meta, body = record["readme"].removeprefix("---\n").split("---\n", 1)
    about = yaml.safe_load(meta)
    assert about["license"] == "cc0-1.0" and about["size_categories"] == ["n<1K"]
    assert about["pretty_name"] == "tiles" and "class-conditional" in about["tags"]
    assert f"`{digest(tiles)}`" in body and "- Images: 6 of 16x16 RGB" in body
    assert "| cat | 3 | 50.0% |" in body and "- Attribution: drawn by dice" in body
    assert "| example.org | 3 |" in body and "secret-folder" not in body
    assert f"gan train --data hf://datasets/{NAME}" in body
    assert f"**{PEOPLE}**\n\nNo." in body and "# Data sheet" not in body


def test_answers_of_the_sheet_come_along(tiles, fake_hub, token):
    name = push(tiles, NAME)["name"]
    path = local(name)
    assert answered(path) == answered(tiles) == {PEOPLE: "No."}
    again = push(path, "user/again", dry_run=True)["readme"]
    assert again.count(PEOPLE) == 1 and again.count("## Motivation") == 1


def test_a_set_is_read_where_its_card_cannot_be(tiles, fake_hub, token):
    name = push(tiles, NAME)["name"]
    fake_hub.sizes["README.md"] = hub_sets.MOST_CARD + 1
    assert digest(name) == digest(tiles) and answered(local(name)) == {}


def test_a_cached_set_asks_nobody(tiles, fake_hub, token, monkeypatch):
    name = push(tiles, NAME)["name"]
    path, asked = local(name), len(fake_hub.asked)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert local(name) == path and answered(path) == {PEOPLE: "No."} and len(fake_hub.asked) == asked


def test_a_licence_is_needed(tmp_path, fake_hub, token):
    path = make(tmp_path / "tiles.zip", licence="unknown")
    with pytest.raises(UserError, match=r"does not say the licence of its images.*--licence CC-BY-4\.0"):
        push(path, NAME)
    assert not fake_hub.repositories
    record = push(path, NAME, licence="CC-BY-4.0")
    assert yaml.safe_load(record["readme"].split("---\n")[1])["license"] == "cc-by-4.0"


def test_a_licence_that_was_told_comes_along(tmp_path, fake_hub, token):
    path = make(tmp_path / "tiles.zip", licence="unknown")
    name = push(path, NAME, licence="CC-BY-4.0")["name"]
    dataset = open_dataset(name)
    assert dataset.licence == "cc-by-4.0" and dataset.sha256 == digest(path)
    assert runs.describe_data(dataset)["licence"] == datasets.info(name)["licence"] == "cc-by-4.0"
    dataset.close()
    datasets.subset(name, tmp_path / "few.zip", count=2)
    manifest = read_index(tmp_path / "few.zip")["manifest"]
    assert {manifest["licence"], *(said["licence"] for said in manifest["files"].values())} == {"cc-by-4.0"}
    assert push(local(name), "user/again", dry_run=True)["licence"] == "cc-by-4.0"
    with pytest.raises(UsageError, match=r"says that its licence is cc-by-4\.0: leave out --licence MIT"):
        push(local(name), "user/again", licence="MIT", dry_run=True)


@pytest.mark.parametrize(
    ("said", "told", "expected"),
    [
        ("CC0", None, "CC0"),
        ("CC0", "CC0", "CC0"),
        (None, "MIT", "MIT"),
        ("various: CC0; MIT", None, "various: CC0; MIT"),
        ("various: CC0; unknown", "MIT", "various: CC0; MIT"),
        ("various: CC0; unknown", "CC0", "CC0"),
    ],
)
def test_which_licence(said, told, expected):
    assert publishing.licence_for("a.zip", said, told) == expected


def test_a_licence_is_not_told_over(tiles):
    with pytest.raises(UsageError, match="says that its licence is CC0-1.0: leave out --licence MIT"):
        push(tiles, NAME, licence="MIT", dry_run=True)
    with pytest.raises(UserError, match="the licence of some images"):
        publishing.licence_for("a.zip", "various: CC0; unknown", None)


def test_another_set_is_taken_away_only_by_force(tiles, fake_hub, token, tmp_path):
    fake_hub.put(NAME, {"old.zip": b"1", "load.py": b"own", "README.md": b"old"}, "datasets")
    with pytest.raises(UserError, match=r"holds another set \(old\.zip\).*--force"):
        push(tiles, NAME)
    assert held(fake_hub)["old.zip"] == b"1"
    name = push(tiles, NAME, force=True)["name"]
    assert set(held(fake_hub)) == {"tiles.zip", "load.py", "README.md"} and digest(name) == digest(tiles)
    shutil.copy(make(tmp_path / "more.zip", count=8), tiles)  # a new version of the set needs no force
    assert digest(push(tiles, NAME)["name"]) == digest(tiles) != digest(name)


def test_what_was_cut_off_goes_on(tiles, fake_hub, token):
    assert tiles.stat().st_size > LARGE
    fake_hub.refused.append(403)
    with pytest.raises(UserError, match="403"):
        push(tiles, NAME)
    assert "tiles.zip" not in held(fake_hub)  # all of it appears, or none
    sent = [line for line in fake_hub.asked if line.startswith("PUT")]
    assert len(sent) == 1
    name = push(tiles, NAME)["name"]
    assert [line for line in fake_hub.asked if line.startswith("PUT")] == sent
    assert digest(name) == digest(tiles)


def test_private_and_a_branch(tiles, fake_hub, token):
    name = push(tiles, NAME, private=True, revision="small")["name"]
    repository = fake_hub.repositories["datasets", NAME]
    assert repository.private and name.endswith(repository.branches["small"])
    assert "tiles.zip" not in held(fake_hub) and digest(f"hf://datasets/{NAME}@small") == digest(tiles)


def test_what_nobody_could_fetch_is_not_pushed(tiles, tmp_path, monkeypatch):
    monkeypatch.setattr(hub_sets, "MOST_SET", 100)
    with pytest.raises(UserError, match=r"tiles\.zip has .* bytes, more than the 100 .*shards/%05d\.tar"):
        push(tiles, NAME, dry_run=True)
    folder = make(tmp_path / "folder")
    monkeypatch.setattr(publishing, "MOST_FILES", 3)
    assert hub_files.MOST_FILES > 1000
    with pytest.raises(UserError, match=r"has 8 files, more than the 3 .* --out folder\.zip"):
        push(folder, NAME, dry_run=True)


def test_a_set_with_lost_files_is_refused(tmp_path):
    folder = make(tmp_path / "folder")
    next(folder.rglob("*.png")).unlink()
    with pytest.raises(UserError, match="is missing"):
        push(folder, NAME, dry_run=True)


def test_hidden_and_other_files_stay_here(fake_hub, token, tmp_path):
    folder = make(tmp_path / "folder")
    for name in (".secret", "notes.txt", ".git/config"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("secret")
    push(folder, NAME)
    assert not any(b"secret" in data for path, data in held(fake_hub).items() if path != "dataset.json")


def test_a_set_of_another_tool(fake_hub, token, tiles, tmp_path):
    path = tmp_path / "theirs.zip"
    with zipfile.ZipFile(tiles) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.namelist():
            if member != "dataset.json":
                new.writestr(member, old.read(member))
        new.writestr("dataset.json", json.dumps({"labels": None}))
    record = push(path, NAME, licence="MIT")
    assert record["open"] is None and digest(record["name"]) == digest(path)
    assert "## Sources" not in record["readme"] and "## Classes" not in record["readme"]


@pytest.mark.parametrize(
    ("count", "size"),
    [(999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**6, "1M<n<10M"), (10**7, "n>10M")],
)
def test_classes_of_size(count, size):
    assert publishing._size(count) == size
