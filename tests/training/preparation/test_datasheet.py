"""The sheet beside a set, as it is written and as it is read again."""

from training.preparation.datasheet import OPEN, answered, datasheet, sheet_of

FORM = {"height": 32, "width": 32, "channels": 3, "crop": "centre", "filter": "lanczos"}
SUMMARY = {
    "kept": 3,
    "files": 4,
    "splits": {"train": 3},
    "reasons": {"damaged": 1},
    "classes": {"cat": 2, "dog": 1},
    "faults": {},
}
COUNTED = {"format": {"PNG": 3}, "mode": {"RGB": 3}, "licence": {"CC0-1.0": 3}}
PEOPLE = "Does the set show people, or anything confidential or offensive?"


def test_what_was_counted_and_what_people_wrote_is_read(tmp_path):
    place, text = tmp_path / "glyphs.zip", datasheet("glyphs", FORM, SUMMARY, COUNTED, {})
    answer = f"**{PEOPLE}**\n\n{OPEN}"
    assert answer in text
    sheet_of(place).write_text(text.replace(answer, f"**{PEOPLE}**\n\nNo: drawings.\n\nNone of a person."))
    found = answered(place)
    assert found[PEOPLE] == "No: drawings.\n\nNone of a person."
    assert "| cat | 2 | 66.7% |" in found["Is there a label, and how are the classes balanced?"]
    assert "For what purpose was the set created?" not in found  # open
    assert OPEN not in "".join(found.values()) and "##" not in "".join(found.values())


def test_a_sheet_may_hold_anything(tmp_path):
    place = tmp_path / "set"
    assert sheet_of(place) == tmp_path / "set.DATASHEET.md" and answered(place) == {}
    sheet_of(place).write_bytes(b"\xff\xfe\x00")
    assert answered(place) == {}
    sheet_of(place).write_text(f"**another question**\n\nyes\n\n**{PEOPLE}**\n\n{'x' * 9000}")
    assert answered(place) == {PEOPLE: "x" * 2000}
