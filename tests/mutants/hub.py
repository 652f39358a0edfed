"""Mistakes at a hub: what is fetched, at which commit, what is compared, what is told to others."""

from tests.mutants.planting import Mutant

REFUSALS = "tests/gan/models/test_hub_refusals.py::"
HUB = "tests/gan/models/test_hub.py::"
SETS = "tests/training/data/test_hub_sets.py::"
SPACE = "tests/gan/jobs/test_space.py::"
PUSHING = "tests/gan/jobs/test_pushing.py::"
DATA = "tests/gan/jobs/test_data_pushing.py::"
FILES = "gan/hub_files.py"

MUTANTS = (
    Mutant(
        "digests of a hub are not compared",
        FILES,
        "_is_there(arrived, file) and _is_right(arrived, file)",
        "_is_there(arrived, file)",
        (f"{REFUSALS}test_a_wrong_digest_of_a_small_file", f"{SETS}test_bounds_names_and_digests"),
    ),
    Mutant(
        "files are fetched from a branch that may move",
        FILES,
        "pinned = name.at(listing.commit)",
        "pinned = name",
        (f"{HUB}test_a_branch_moves_and_a_commit_does_not",),
    ),
    Mutant(
        "a hub is asked offline",
        FILES,
        "if not hub.is_offline():",
        "if name:",
        (f"{REFUSALS}test_offline_with_and_without_a_cache",),
    ),
    Mutant(
        "a file of any size is fetched",
        FILES,
        "if file.size > most(file.path):",
        "if file.size < -1:",
        (f"{REFUSALS}test_a_size_out_of_bounds_is_refused_before_anything_is_fetched",),
    ),
    Mutant(
        "a disk is filled",
        FILES,
        "if size + _SPARE > (free :=",
        "if size < (free := 0 *",
        (f"{REFUSALS}test_a_full_disk",),
    ),
    Mutant(
        "a file's name leads out of the folder",
        "gan/hub.py",
        'not path.startswith("/") and ".." not in path.split("/")',
        'not path.startswith("/")',
        (f"{SETS}test_bounds_names_and_digests",),
    ),
    Mutant(
        "all of a model's repository is fetched",
        "gan/models/hub_checkpoints.py",
        "if file.path in wanted]",
        "if file.path.startswith(start)]",
        (f"{REFUSALS}test_only_files_of_the_format_are_fetched",),
    ),
    Mutant(
        "weights of another network are taken",
        "gan/models/weights.py",
        "if found := misfit(wanted, given):",
        'if found := "":',
        (f"{REFUSALS}test_weights_of_another_network",),
    ),
    Mutant(
        "a class reads generators of another",
        "gan/networks/pretrained.py",
        "if not isinstance(generator, cls):",
        "if not isinstance(generator, nn.Module):",
        (f"{HUB}test_a_folder_there_and_back",),
    ),
    Mutant(
        "a private model goes to a public repository",
        "gan/hub_pushing.py",
        "if private and there.private is False:",
        "if private and there.private is None:",
        (f"{HUB}test_private_is_not_asked_of_a_public_repository",),
    ),
    Mutant(
        "files of an earlier push stay",
        "gan/hub_pushing.py",
        "if path in held and path not in files]",
        "if path in held and path in files]",
        (f"{HUB}test_a_later_push_takes_away_what_it_lacks",),
    ),
    Mutant(
        "folders of this machine are pushed",
        "gan/models/publication.py",
        "if len(PurePath(path).parts) > 1 and",
        "if len(PurePath(path).parts) > 99 and",
        (f"{HUB}test_the_pushed_config_is_public",),
    ),
    Mutant(
        "a score loses its convention",
        "gan/models/hub_card.py",
        'metric_config=str(record.get("convention"))',
        'metric_config=str(record.get("detector"))',
        (f"{HUB}test_a_dry_run_asks_nobody",),
    ),
    Mutant(
        "a run forgets the commit of its held-out images",
        "gan/jobs/pinning.py",
        "places.pinned(config.data.held_out)",
        "config.data.held_out",
        (f"{SETS}test_settings_keep_the_commit",),
    ),
    Mutant(
        "a run writes down the cache instead of a name",
        "gan/jobs/training.py",
        "lasting(given.path)",
        "str(given.path)",
        (f"{SETS}test_settings_keep_the_commit",),
    ),
    Mutant(
        "a page draws the same seeds whatever is typed",
        "gan/models/gradio_page.py",
        "first = int(min(max(seed or 0, 0), LARGEST_SEED))",
        "first = 0",
        (f"{SPACE}test_a_picture_is_that_of_its_seeds",),
    ),
    Mutant(
        "a page draws another class than was chosen",
        "gan/models/gradio_page.py",
        "[self.classes.index(label)]",
        "[0]",
        (f"{SPACE}test_classes_by_name",),
    ),
    Mutant(
        "a Space is made of a model that needs a plug-in",
        "gan/jobs/space.py",
        "if needed := (saved",
        "if needed := () and (saved",
        (f"{SPACE}test_refusals",),
    ),
    Mutant(
        "all splits of a data set are taken",
        "training/data/hub_sets.py",
        "if splits[file.path] == TRAIN]",
        "if splits[file.path]]",
        (f"{SETS}test_the_training_split_of_tables",),
    ),
    Mutant(
        "a dry run pushes a model",
        "gan/models/hub.py",
        "if dry_run:",
        "if not files:",
        (f"{HUB}test_a_dry_run_asks_nobody",),
    ),
    Mutant(
        "a page draws from a branch that may move",
        "gan/jobs/pushing.py",
        'record["name"], private, dry_run)',
        'f"hf://{name}", private, dry_run)',
        (f"{PUSHING}test_a_model_and_its_page",),
    ),
    Mutant(
        "a Space of somebody's own is written over",
        "gan/jobs/pushing.py",
        "not set(there) <= set(NEW)",
        "not set(NEW) <= set(NEW)",
        (f"{PUSHING}test_a_space_of_another_kind_stays",),
    ),
    Mutant(
        "the Space of a private model is public",
        "gan/jobs/pushing.py",
        "_earlier(place, there), private=private,",
        "_earlier(place, there), private=False,",
        (f"{PUSHING}test_a_private_model_has_a_private_page",),
    ),
    Mutant(
        "a set without a licence is pushed",
        "training/preparation/publishing.py",
        "    if not told:\n        some",
        "    if told == UNKNOWN:\n        some",
        (f"{DATA}test_a_licence_is_needed",),
    ),
    Mutant(
        "the licence that a set's card names is lost",
        "training/data/images.py",
        "return said if self.path is None else hub_sets.licence(self.path, said)",
        "return said",
        (f"{DATA}test_a_licence_that_was_told_comes_along",),
    ),
    Mutant(
        "another set is taken away unasked",
        "gan/jobs/data_pushing.py",
        "if others and not force:",
        "if others and force is None:",
        (f"{DATA}test_another_set_is_taken_away_only_by_force",),
    ),
    Mutant(
        "the card of a set names another digest",
        "training/preparation/publishing.py",
        "`{dataset.sha256}`, of images",
        "`{hash(dataset)}`, of images",
        (f"{DATA}test_the_card",),
    ),
    Mutant(
        "sources in a card are paths of their makers",
        "training/preparation/publishing.py",
        'urlsplit(str(said.get("source") or "")).netloc',
        'str(said.get("source") or "")',
        (f"{DATA}test_the_card",),
    ),
    Mutant(
        "a set from a hub has lost its sheet",
        "training/preparation/datasheet.py",
        "return hub_sets.card(path)[:_READ]",
        'return ""',
        (f"{DATA}test_answers_of_the_sheet_come_along",),
    ),
)
