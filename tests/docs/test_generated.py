"""Generated parts of the site: nothing of the code is left out, and no text becomes markup by accident."""

import importlib

import click
import pytest

from gan import elsewhere
from gan.cli.main import COMMANDS
from gan.config import to_dict
from gan.networks import ARCHITECTURES
from metrics.conventions import CONVENTIONS
from tests.docs.pages import pages
from tests.test_layers import ROOMS
from training.config import RunConfig
from training.recipes import preset_names


def test_every_option_of_every_command(generated):
    text = generated.commands.markdown()
    count, listed = 0, dict(generated.commands.each())
    for name in ("data", "ops", "serve"):
        group = importlib.import_module(COMMANDS[name].module).command
        assert {f"gan {name} {part}" for part in group.list_commands(click.Context(group))} <= set(listed)
    for words, command in listed.items():
        assert f"# {words}\n" in text
        for option in (o for p in command.params if isinstance(p, click.Option) for o in p.opts):
            assert f"`{option}" in text or f" {option}" in text, option
            count += 1
    assert count > 150
    assert "gan serve run" in text and "gan data prepare photos/" in text  # groups, and examples


def flat(data, where=""):
    """Dotted keys of nested settings."""
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{where}{key}.")
        else:
            yield f"{where}{key}"


def test_every_setting(generated):
    text = generated.settings.markdown()
    keys = list(flat(to_dict(RunConfig())))
    assert [key for key in keys if f"| `{key}` |" not in text] == []
    for name, family in ARCHITECTURES.items():
        assert (family.generator is None) == (f"## generator.type: {name}\n" not in text)
        assert (family.discriminator is None) == (f"## discriminator.type: {name}\n" not in text)
    assert "| `loss.d_steps` | `1` | int | steps of D for each of G. |" in text
    assert "| `precision` | `float32` | one of 'float32', 'bf16', 'fp16' |" in text


def test_presets_conventions_and_names(generated):
    presets = generated.settings.presets()
    assert all(f"## {name}\n" in presets for name in preset_names())
    conventions = generated.conventions.markdown()
    assert all(f"| `{name}` |" in conventions for name in CONVENTIONS)
    names = generated.names.markdown()
    for table in (elsewhere.SCRIPTS, elsewhere.OPTIONS, elsewhere.SCORES, elsewhere.PRESETS):
        assert all(f"| `{name}` |" in names for name in table)


def test_the_picture_shows_every_room_below_those_that_import_it(generated):
    table = generated.rooms.table()
    assert table == ROOMS
    floors = generated.rooms.floors(table)
    assert sorted(room for row in floors for room in row) == sorted(ROOMS)
    place = {room: number for number, row in enumerate(floors) for room in row}
    for room, allowed in ROOMS.items():
        assert all(place[other] > place[room] for other in allowed - {room}), room
    assert floors[-1] == ["ops"] and set(floors[3]) == {"training", "metrics"}
    svg = generated.rooms.svg()
    assert all(f">{room}</text>" in svg for room in ROOMS)


def test_floors_of_another_table(generated):
    rooms = {"a": {"a"}, "b": {"a", "b"}, "c": {"a", "c"}, "d": {"a", "b", "c", "d"}}
    assert generated.rooms.floors(rooms) == [["d"], ["b", "c"], ["a"]]


def test_the_python_pages_show_what_modules_offer(generated):
    pytest.importorskip("sphinx")
    text = generated.api.markdown("gan.latents")
    assert "{py:function} gan.latents.z_from_seeds(seeds, z_dim" in text
    import gan.latents

    assert all(f"gan.latents.{name}" in text for name in gan.latents.__all__)
    assert "{py:function} gan.load(model, device='cpu')" in generated.api.markdown("gan")
    assert "{py:class} training.losses.base.Loss" in generated.api.markdown("training.losses.base")


def test_marks_of_pages_are_known(generated):
    found = [mark for page in pages() for mark in generated.MARK.findall(page.read_text(encoding="utf-8"))]
    assert {name for name, _ in found} == set(generated.PARTS)
    assert sum("<!-- generated" in page.read_text(encoding="utf-8") for page in pages()) >= len(
        generated.PARTS
    )
    with pytest.raises(KeyError):
        generated.filled("<!-- generated: nothing -->")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a*b*c", r"a\*b\*c"),
        ("see `a*b` and <x>", r"see `a*b` and \<x\>"),
        ("[N, C] [x](y)", r"\[N, C\] \[x\](y)"),
        ("a_b | c", r"a\_b \| c"),
    ],
)
def test_text_stands_for_itself(generated, text, want):
    assert generated.text.escaped(text) == want


def test_sections_become_lists(generated):
    doc = "What it does.\n\nArgs:\n    x: [N, C].\n        More of it.\n    y: other\n\n    code = 1\n"
    arguments = "**Args**\n\n- `x`: \\[N, C\\]. More of it.\n- `y`: other\n"
    assert generated.text.prose(doc) == f"What it does.\n\n{arguments}\n```text\ncode = 1\n```\n"
