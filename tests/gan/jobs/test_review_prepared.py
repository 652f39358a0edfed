"""`gan data prepare` and `gan data review` together: what is decided holds in the next preparation."""

import json
import shutil

import pytest
from click.testing import CliRunner

from gan.cli.main import main
from gan.jobs import data_subject, work_folder
from gan.jobs.data_report import page
from gan.jobs.review import Filters, Review
from tests.gan import work_folders


@pytest.fixture
def out(tmp_path):
    """Where a set is made of a folder with classes, a copy, a broken file and a zip."""
    source = work_folders.make(tmp_path / "work", kept=6).parent / "source"
    shutil.make_archive(str(tmp_path / "more"), "zip", source / "a")
    return tmp_path / "out.zip"


def prepare(out):
    source = out.parent / "work" / "source"
    typed = ["data", "prepare", str(source), str(out.parent / "more.zip"), "--out", str(out)]
    options = [
        "--resolution",
        "32",
        "--labels",
        "folders",
        "--workers",
        "1",
        "--on",
        "tiny=fix",
        "--json",
        "--force",
    ]
    result = CliRunner().invoke(main, [*typed, *options, "--copies", "exact", "--require", "label"])
    assert result.exit_code == 0, result.output
    return {(line["source"], line["path"]): line for line in map(json.loads, lines(out))}


def lines(out):
    return (out.with_name("out.zip.prepare") / "files.jsonl").read_text().splitlines()


def test_decisions_hold_in_the_next_preparation(out):
    before = prepare(out)
    review = Review(work_folder.opened(out))
    numbers = {(seen.source, seen.path): seen.number for seen in review.work.files}
    assert list(numbers) == list(before)
    copy, first, blurred = (0, "b/copy.png"), (0, "a/001.png"), (0, "b/blurred.png")
    assert before[copy]["verdict"] == "drop" and before[first]["verdict"] == "keep"
    review.decide(numbers[copy], "keep")
    review.decide(numbers[first], "drop")
    review.decide(numbers[blurred], "relabel", "fog")
    review.decide(numbers[(0, "a/002.png")], "drop")
    review.decide(numbers[(0, "a/002.png")], "undo")
    after = prepare(out)
    assert after[copy]["verdict"] == "keep"
    assert (after[first]["verdict"], after[first]["reason"]) == ("drop", "decision")
    assert after[blurred]["label"] == "fog"
    changed = {
        key
        for key in before
        if (before[key]["verdict"], before[key]["label"]) != (after[key]["verdict"], after[key]["label"])
    }
    assert {copy, first, blurred} <= changed and (0, "a/002.png") not in changed


def test_every_file_has_its_picture_or_a_reason(out):
    """Those of an archive too; the page of the report tells the same numbers as files.jsonl."""
    records = prepare(out)
    review = Review(work_folder.opened(out))
    for (source, path), record in records.items():
        (number,) = (s.number for s in review.work.files if (s.source, s.path) == (source, path))
        kind, _ = review.picture(number, "small")
        assert kind == ("image/webp" if record["pixels_sha256"] else "image/svg+xml"), path
    assert {source for source, _ in records} == {0, 1}
    kept = sum(record["verdict"] == "keep" for record in records.values())
    assert review.select(Filters(verdict="keep"))[1] == kept
    assert f"<dt>Kept</dt><dd>{kept}<" in page(data_subject.of(out))
