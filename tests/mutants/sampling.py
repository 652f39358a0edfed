"""Mistakes in images and scores of a model: what a command or a notebook asks for, and gets."""

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "neighbours of another fake",
        "gan/jobs/copies.py",
        "found.indices[index].tolist()",
        "found.indices[0].tolist()",
        ("tests/gan/jobs/test_copies.py::test_a_fake_stands_beside_what_it_copies",),
    ),
    Mutant(
        "reals shown for fakes",
        "gan/jobs/copies.py",
        "{_picture(fake, index)}",
        "{_picture(real, index)}",
        ("tests/gan/jobs/test_copies.py::test_a_fake_stands_beside_what_it_copies",),
    ),
    Mutant(
        "fakes measured as reals",
        "gan/jobs/copies.py",
        "for s in (real, fake))",
        "for s in (fake, real))",
        ("tests/gan/jobs/test_copies.py::test_a_fake_stands_beside_what_it_copies",),
    ),
    Mutant(
        "page of other seeds",
        "gan/jobs/evaluation.py",
        "fakes = drawn(generator, dataset, seeds, psi, batch)",
        "fakes = drawn(generator, dataset, seeds, 1.0, batch)",
        ("tests/gan/jobs/test_evaluation.py::test_a_page_shows_the_images_that_were_scored",),
    ),
    Mutant(
        "number of fakes while training",
        "gan/jobs/run_scores.py",
        '"num_fakes": self.num_fakes, "seed": 0',
        '"num_fakes": 16, "seed": 0',
        ("tests/training/test_scores.py::test_the_number_of_fakes_is_as_asked_for",),
    ),
    Mutant(
        "cut-off of stills",
        "gan/jobs/sampling.py",
        '"psi_cutoff": psi_cutoff, "noise": noise}\n    if',
        '"psi_cutoff": None, "noise": noise}\n    if',
        ("tests/gan/jobs/test_sampling.py::test_every_look_reaches_stills_and_frames",),
    ),
    Mutant(
        "seed of the noise",
        "gan/jobs/sampling.py",
        "noise_seed=seed, **look",
        "noise_seed=0, **look",
        ("tests/gan/jobs/test_sampling.py::test_every_look_reaches_stills_and_frames",),
    ),
    Mutant(
        "captions of other classes",
        "gan/jobs/sampling.py",
        "names = [classes[label] if label < len(classes)",
        "names = [classes[-label] if label < len(classes)",
        ("tests/gan/jobs/test_sampling.py::test_captions_name_the_class",),
    ),
    Mutant(
        "columns without effect",
        "gan/jobs/sampling.py",
        "labelled_grid(torch.stack(list(images)), labels, columns)",
        "labelled_grid(torch.stack(list(images)), labels)",
        ("tests/gan/jobs/test_sampling.py::test_columns_of_a_grid",),
    ),
    Mutant(
        "frames a second",
        "gan/jobs/sampling.py",
        "hundredths = max(round(100 / fps), 2)",
        "hundredths = 5",
        ("tests/gan/jobs/test_sampling.py::test_frames_a_second",),
    ),
    Mutant(
        "video walks in w",
        "gan/jobs/sampling.py",
        "steps=frames_per_seed, space=space,",
        'steps=frames_per_seed, space="w",',
        ("tests/gan/jobs/test_sampling.py::test_every_look_reaches_stills_and_frames",),
    ),
    Mutant(
        "cut-off of videos in w",
        "gan/sampling.py",
        "walk(_styles(generator, z, c, psi, psi_cutoff), steps)",
        "walk(_styles(generator, z, c, psi, None), steps)",
        ("tests/gan/test_sampling.py::test_the_cutoff_of_truncation_holds_for_frames[w]",),
    ),
    Mutant(
        "cut-off of videos in z",
        "gan/sampling.py",
        "_styles(generator, z[part], labels_part, psi, psi_cutoff)",
        "_styles(generator, z[part], labels_part, psi, None)",
        ("tests/gan/test_sampling.py::test_the_cutoff_of_truncation_holds_for_frames[z]",),
    ),
)
