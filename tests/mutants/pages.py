"""Mistakes in what answers names of other tools, and in what writes the reference from the code."""

from tests.mutants.planting import Mutant

MAIN, ELSEWHERE, GENERATED = "gan/cli/main.py", "gan/elsewhere.py", "docs/_ext/generated"
NAMES = "tests/gan/cli/test_elsewhere.py"


def generated(name: str) -> tuple[str]:
    """A test of generated parts."""
    return (f"tests/docs/test_generated.py::{name}",)


MUTANTS = (
    Mutant(
        "options with one hyphen are not looked up",
        MAIN,
        "for typed in (option, *(arg for arg in args if",
        "for typed in (option, *(arg for arg in args[:0] if",
        (f"{NAMES}::test_typed",),
    ),
    Mutant(
        "scripts of other tools are unknown commands",
        MAIN,
        "if instead := elsewhere.script(args[0]):",
        "if instead := elsewhere.option(args[0]):",
        (f"{NAMES}::test_typed",),
    ),
    Mutant(
        "scripts keep their suffix",
        ELSEWHERE,
        'name.removesuffix(".py").replace("-", "_")',
        'name.replace("-", "_")',
        (f"{NAMES}::test_typed",),
    ),
    Mutant(
        "recipes of other tools are unknown presets",
        "training/recipes.py",
        "elif nearest := elsewhere.preset(name):",
        "elif nearest := elsewhere.score(name):",
        (f"{NAMES}::test_typed",),
    ),
    Mutant(
        "scores of other tools cannot be read",
        "metrics/registry.py",
        "if name := elsewhere.score(text):",
        "if name := elsewhere.preset(text):",
        (f"{NAMES}::test_typed",),
    ),
    Mutant(
        "an answer is for another option",
        ELSEWHERE,
        '"--trunc": Name("--psi VALUE"',
        '"--trunc": Name("--psi-cut VALUE"',
        (f"{NAMES}::test_answers_name_options_and_settings_that_exist",),
    ),
    Mutant(
        "the reference leaves out subcommands",
        f"{GENERATED}/commands.py",
        "for part in found.list_commands(inner):",
        "for part in found.list_commands(inner)[1:]:",
        generated("test_every_option_of_every_command"),
    ),
    Mutant(
        "sections within sections are left out",
        f"{GENERATED}/settings.py",
        'return "\\n".join([heading, table(HEAD, rows), *inner])',
        'return "\\n".join([heading, table(HEAD, rows), *inner[:1]])',
        generated("test_every_setting"),
    ),
    Mutant(
        "rooms lie on the floor of what they import",
        f"{GENERATED}/rooms.py",
        "height[room] = 1 + max(",
        "height[room] = max(",
        generated("test_floors_of_another_table"),
    ),
    Mutant(
        "bars end the cells of a table",
        f"{GENERATED}/text.py",
        r're.compile(r"([\\*_\[\]<>{}$#~|])")',
        r're.compile(r"([\\*_\[\]<>{}$#~])")',
        generated("test_text_stands_for_itself"),
    ),
)
