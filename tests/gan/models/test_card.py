"""The card of a checkpoint: every section says what is known, and says so where nothing is."""

import re

from gan.models import card

CONFIG = {
    "kimg": 200.0,
    "generator": {"type": "stylegan2", "c_dim": 2},
    "discriminator": {"type": "r3gan"},
    "run": {
        "preset": "demo",
        "seed": 3,
        "data": {"path": "/somewhere/private.zip"},
        "generator": {"z_dim": 8},
        "loss": {"name": "logistic", "r1_gamma": 0.5, "extra": {"shape": None}},
        "augment": {"name": "none", "p": 0.5},
    },
    "data": {
        "name": "glyphs",
        "sha256": "ab12",
        "images": 7,
        "classes": ["cat", "dog"],
        "licence": "CC0-1.0",
    },
}
RECORD = {
    "metric": "fid",
    "label": "fid (nv)",
    "value": 12.34567,
    "convention": "nv",
    "detector": "inception",
    "detector_sha256": "0123456789abcdef",
    "num_real": 7,
    "num_fake": 50000,
    "kimg": 100.0,
    "data_sha256": "ab12",
}
SIZES = {"image_shape": (3, 32, 64), "parameters": {"generator": 2_500_000, "discriminator": 1_000_000}}


def sections(text):
    parts = re.split(r"^## (.+)\n", text, flags=re.M)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def test_a_trained_model():
    found = sections(card.build(CONFIG, **SIZES, metrics=[RECORD]))
    assert found[""].startswith("# demo on glyphs, 200 kimg\n") and "AI-generated" in found[""]
    assert "32 x 64 pixels, 3 channels" in found["Model"]
    assert (
        "Generator: stylegan2, 2.50 M" in found["Model"] and "Discriminator: r3gan, 1.00 M" in found["Model"]
    )
    for part in ("glyphs", "Images: 7", "CC0-1.0", "ab12", "cat, dog"):
        assert part in found["Data"]
    assert "- run: preset demo, seed 3\n" in found["Recipe"]
    assert "- loss: name logistic, r1_gamma 0.5, extra.shape none\n" in found["Recipe"]
    assert "- augment: name none\n" in found["Recipe"]
    assert "private" not in "".join(found.values())
    assert "| fid (nv) | 12.346 | 100.0 | 50000 | 7 | nv | inception 0123456789ab |" in found["Scores"]
    assert "Not meant for" in found["Use and limits"]
    assert "Origin" not in found


def test_scores_are_the_last_known_of_each_kind():
    records = [RECORD, {**RECORD, "value": 9.0, "kimg": 200.0}, {**RECORD, "value": 7.0, "kimg": 300.0}]
    other = {**RECORD, "convention": "clean", "value": 11.0}
    rows = sections(card.build(CONFIG, **SIZES, metrics=[*records, other]))["Scores"].strip().splitlines()[2:]
    assert [row.split(" | ")[1] for row in rows] == ["9", "11"]


def test_an_imported_model_knows_little():
    config = {"kimg": 0.0, "generator": {"type": "stylegan3", "c_dim": 0}, "run": {}, "data": {}}
    config["origin"] = ["Imported from a.pkl, sha256 77"]
    sizes = {"image_shape": (3, 16, 16), "parameters": {"generator": 10}}
    found = sections(card.build(config, **sizes))
    assert found[""].startswith("# stylegan3 on unknown data, 0 kimg\n")
    assert "Imported from a.pkl" in found["Origin"] and "unconditional" in found["Model"]
    assert "Licence: unknown" in found["Data"] and "number unknown" in found["Data"]
    assert "None measured" in found["Scores"] and "Recipe" not in found
    assert "one_hot" not in found["How to load"]


def test_the_loading_example_runs(tiny_generator, monkeypatch):
    import gan

    monkeypatch.setattr(gan, "load", lambda folder: tiny_generator)
    config = {**CONFIG, "generator": {"type": "stylegan2", "c_dim": 0}}
    code = re.search(r"```python\n(.+?)```", card.build(config, **SIZES), flags=re.S)[1]
    names = {"FOLDER": "a folder"}
    exec(code, names)
    assert names["image"].shape == (1, 3, 16, 16)


def test_a_section_comes_before_the_limits_and_once():
    text = "# a\n\n## Scores\n\nx\n\n## Use and limits\n\ny\n"
    once = card.with_section(text, "Judged by people: pairs", ["1 (0 to 2)"])
    assert once.index("## Scores") < once.index("## Judged by people: pairs\n\n- 1 (0 to 2)\n")
    assert once.index("- 1 (0") < once.index("## Use and limits")
    twice = card.with_section(once, "Judged by people: pairs", ["3"])
    assert twice == once.replace("1 (0 to 2)", "3")
    other = card.with_section(twice, "Judged by people: quality", ["4"])
    assert "- 3\n" in other and "- 4\n" in other and other.endswith("## Use and limits\n\ny\n")
    assert card.with_section("", "A", ["1"]).strip() == "## A\n\n- 1"


def test_what_the_sheet_of_the_data_says_of_people():
    shown, consent = card.BIAS[1], card.TRANSPARENCY[2]
    sheet = {shown: "Yes.\n## Faces of visitors", consent: "All, in writing."}
    config = {**CONFIG, "data": {**CONFIG["data"], "sheet": sheet}}
    found = sections(card.build(config, **SIZES))
    assert f"**{shown}**\n\n> Yes.\n> ## Faces of visitors\n" in found["Bias"]
    assert card.BIAS[2] in found["Bias"].partition("Left open: ")[2] and consent not in found["Bias"]
    assert f"**{consent}**\n\n> All, in writing.\n" in found["Transparency"]


def test_nobody_has_written_it_down():
    found = sections(card.build(CONFIG, **SIZES))
    assert "some groups more often" in found["Bias"] and "nobody has written down" in found["Transparency"]
    assert list(found)[-4:] == ["Bias", "Transparency", "Use and limits", "How to load"]
