"""Mistakes in making data sets: what is kept, what becomes of it, and whether it is the same every time."""

from tests.mutants.planting import Mutant

_JOB = "tests/gan/jobs/test_preparation.py"
_AGAIN = "tests/gan/jobs/test_preparation_again.py"
_DECIDE = "tests/training/preparation/test_decide.py"
_READING = "tests/training/preparation/test_reading.py"
_CONVERT = "tests/training/preparation/test_convert.py"
_SOURCES = "tests/training/preparation/test_sources.py"
_FEATURES = "tests/training/preparation/test_features.py"
_FACES = "tests/training/preparation/test_faces.py"

MUTANTS = (
    Mutant(
        "the smallest face is shown",
        "training/preparation/faces.py",
        "key=lambda face: -face.area)",
        "key=lambda face: face.area)",
        (f"{_FACES}::test_the_largest_of_two_comes_first",),
    ),
    Mutant(
        "an image made again without its face",
        "training/preparation/examine.py",
        'frame = framed(picture.pixels, form)[1] if form.crop == "face" else None',
        "frame = None",
        (f"{_FACES}::test_the_largest_face_is_shown_and_all_are_counted",),
    ),
    Mutant(
        "a crop around faces that seeks none",
        "training/preparation/request.py",
        'faces=faces or crop == "face"',
        "faces=faces",
        (f"{_FACES}::test_a_crop_around_faces_seeks_them",),
    ),
    Mutant(
        "faces are not asked for",
        "gan/jobs/preparation.py",
        "faces=request.faces",
        "faces=False",
        (f"{_FACES}::test_a_crop_around_faces_seeks_them",),
    ),
    Mutant(
        "features have no say on copies",
        "training/preparation/copies.py",
        "thumbnails, features=confirm)",
        "thumbnails)",
        (f"{_FEATURES}::test_near_copies_must_be_near_in_features_too",),
    ),
    Mutant(
        "features of what has them already",
        "training/preparation/features.py",
        "if key is not None and not store.has(key)]",
        "if key is not None]",
        (f"{_FEATURES}::test_an_outlier_is_recorded_and_can_be_left_out",),
    ),
    Mutant(
        "a second set without features",
        "gan/jobs/preparation.py",
        "in filter(None, sets):",
        "in sets[:1]:",
        (f"{_FEATURES}::test_near_copies_must_be_near_in_features_too",),
    ),
    Mutant(
        "outliers of an earlier preparation",
        "gan/jobs/preparation.py",
        "json.dumps([*depends, task.features, task.faces and task.form.crop])",
        "json.dumps(depends)",
        (f"{_FEATURES}::test_without_them_nothing_is_known",),
    ),
    Mutant(
        "classes as numbers in an ImageFolder",
        "training/preparation/writer.py",
        "about.classes[entry.label] if about.classes else entry.label",
        "entry.label",
        ("tests/training/preparation/test_interop.py::test_an_image_folder_by_datasets",),
    ),
    Mutant(
        "metadata in Parquet is not looked for",
        "training/preparation/notes.py",
        '"metadata.csv", "metadata.parquet")',
        '"metadata.csv")',
        ("tests/training/preparation/test_interop.py::test_metadata_in_parquet",),
    ),
    Mutant(
        "another cluster than the one asked for",
        "training/preparation/ray_workers.py",
        'place: dict[str, Any] = {"address": address}',
        "place: dict[str, Any] = {}",
        ("tests/training/preparation/test_ray_workers.py::test_an_address_is_where_work_goes",),
    ),
    Mutant(
        "Ray is not asked",
        "gan/jobs/preparation.py",
        "    if ray:\n",
        "    if False:\n",
        ("tests/training/preparation/test_ray_workers.py::test_an_address_is_where_work_goes",),
    ),
    Mutant(
        "the report does not know outliers by features",
        "gan/jobs/data_selection.py",
        "if seen.outlier is not None]:",
        "if False]:",
        ("tests/gan/jobs/test_data_report.py::test_outliers_by_features_where_they_are_known",),
    ),
    Mutant(
        "the mildest policy decides",
        "training/preparation/policies.py",
        "worst = max(kinds",
        "worst = min(kinds",
        (f"{_DECIDE}::test_the_strictest_policy_decides",),
    ),
    Mutant(
        "undo without effect",
        "training/preparation/decide.py",
        "del words[-1:]",
        "del words[:0]",
        (f"{_DECIDE}::test_decisions", f"{_DECIDE}::test_relabelling"),
    ),
    Mutant(
        "a person overrules the blocklist",
        "training/preparation/decide.py",
        """    if rules.refused is not None and (why := rules.refused(number, record)):
        return "drop", why
    if fate == "keep":
        return "keep", None
""",
        """    if fate == "keep":
        return "keep", None
    if rules.refused is not None and (why := rules.refused(number, record)):
        return "drop", why
""",
        (f"{_DECIDE}::test_content_and_blocklist_against_a_person",),
    ),
    Mutant(
        "a file without a score passes the filter",
        "training/preparation/decide.py",
        'record["content"] is None or record["content"] >= rules.content',
        'record["content"] is not None and record["content"] >= rules.content',
        (f"{_DECIDE}::test_content_and_blocklist_against_a_person",),
    ),
    Mutant(
        "copies on two sides of a split",
        "training/preparation/decide.py",
        'found.leaders.get(number, record["pixels_sha256"])',
        'record["pixels_sha256"]',
        (f"{_DECIDE}::test_copies_that_stay_go_to_one_side",),
    ),
    Mutant(
        "copies of a second set stay",
        "training/preparation/copies.py",
        'how != "keep" or bool(others)',
        'how != "keep" and not others',
        (f"{_JOB}::test_nothing_of_a_second_set",),
    ),
    Mutant(
        "sixteen bits are cut",
        "training/preparation/reading.py",
        "np.clip(np.floor(values + 0.5), 0, 255)",
        "np.clip(np.floor(values), 0, 255)",
        (f"{_READING}::test_sixteen_bits_are_rounded",),
    ),
    Mutant(
        "turned the other way",
        "training/preparation/reading.py",
        "6: Image.Transpose.ROTATE_270",
        "6: Image.Transpose.ROTATE_90",
        (f"{_READING}::test_orientation[6]",),
    ),
    Mutant(
        "colour profiles are ignored",
        "training/preparation/reading.py",
        'if "srgb" in description.lower():',
        "if description:",
        (f"{_READING}::test_a_colour_profile_is_applied",),
    ),
    Mutant(
        "the upper left corner instead of the middle",
        "training/preparation/convert.py",
        "(width - used_w) / 2, (height - used_h) / 2",
        "0.0, 0.0",
        (f"{_CONVERT}::test_placement",),
    ),
    Mutant(
        "one filter for all",
        "training/preparation/convert.py",
        "FILTERS[form.filter]",
        'FILTERS["lanczos"]',
        (f"{_CONVERT}::test_box_is_the_mean_of_blocks",),
    ),
    Mutant(
        "a changed file keeps its record",
        "training/preparation/catalogue.py",
        "CASE WHEN stamp = excluded.stamp AND",
        "CASE WHEN",
        (f"{_AGAIN}::test_a_file_that_changes_is_scanned_again",),
    ),
    Mutant(
        "files in the order of the listing",
        "training/preparation/catalogue.py",
        'f"SELECT {columns} FROM files WHERE record IS NOT NULL ORDER BY path, source"',
        'f"SELECT {columns} FROM files WHERE record IS NOT NULL ORDER BY number DESC"',
        (f"{_JOB}::test_a_messy_folder_becomes_a_set",),
    ),
    Mutant(
        "the working folder of an earlier run is read",
        "training/preparation/sources.py",
        "if {entry.name for entry in entries} >= OWN:",
        "if not OWN:",
        (f"{_SOURCES}::test_working_folders_are_left_out",),
    ),
    Mutant(
        "a hanging decoder is waited for",
        "training/preparation/workers.py",
        "elif worker.left() <= 0 and",
        "elif worker.left() <= -1000 and",
        ("tests/training/preparation/test_workers.py::test_one_bad_item_costs_itself_alone",),
    ),
    Mutant(
        "a set of another plan is up to date",
        "training/preparation/state.py",
        'written.get("plan") == plan',
        'written.get("plan") is not None',
        (f"{_AGAIN}::test_a_second_run_has_nothing_to_do",),
    ),
    Mutant(
        "verify trusts the contents",
        "training/preparation/verify.py",
        "hashlib.sha256(data).hexdigest() != wanted",
        "not data",
        ("tests/gan/cli/test_data_prepare.py::test_verify",),
    ),
    Mutant(
        "images that the scan did not make",
        "gan/jobs/preparation.py",
        "if not images.has(key)]",
        "if images.has(key)]",
        (f"{_AGAIN}::test_a_policy_that_changes_after_the_scan",),
    ),
    Mutant(
        "the part held back replaces the set",
        "gan/jobs/preparation.py",
        'path = out if split == "train" else state.val_path(out)',
        "path = out",
        (f"{_AGAIN}::test_the_same_bytes_again_and_in_two_processes",),
    ),
    Mutant(
        "verify in full without being asked",
        "gan/jobs/datasets.py",
        "    if full:",
        "    if not full:",
        ("tests/gan/cli/test_data_prepare.py::test_verify",),
    ),
    Mutant(
        "training on what is left of a set",
        "gan/jobs/training.py",
        "if (path := opened.path) is not None:",
        "if (path := opened.path) is None:",
        ("tests/gan/cli/test_data_prepare.py::test_training_refuses_a_set_of_which_a_part_is_lost",),
    ),
    Mutant(
        "merged labels by number",
        "training/preparation/sets.py",
        "label=classes.index(made.data.classes[entry.label])",
        "label=entry.label",
        ("tests/training/preparation/test_sets.py::test_classes_are_joined_by_name",),
    ),
)
