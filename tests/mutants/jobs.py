"""Mistakes in jobs: training, sessions, searches, the demo, reports."""

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "mirrored images",
        "gan/jobs/session.py",
        "xflip=config.data.xflip",
        "xflip=False",
        ("tests/training/test_settings.py::test_a_setting_has_its_effect[data.xflip]",),
    ),
    Mutant(
        "order of the seed",
        "gan/jobs/session.py",
        "seed=config.seed,",
        "seed=0,",
        ("tests/training/test_settings.py::test_a_setting_has_its_effect[seed]",),
    ),
    Mutant(
        "data from the beginning",
        "gan/jobs/session.py",
        "start=start,",
        "start=0,",
        ("tests/training/test_settings.py::test_a_process_is_fed_its_share_from_where_the_run_is",),
    ),
    Mutant(
        "every process the same images",
        "gan/jobs/session.py",
        "rank=distributed.rank(),",
        "rank=0,",
        ("tests/training/test_settings.py::test_a_process_is_fed_its_share_from_where_the_run_is",),
    ),
    Mutant(
        "callbacks of a session",
        "gan/jobs/session.py",
        '"callbacks": around.callbacks}',
        "}",
        ("tests/training/test_callbacks.py::test_events_in_their_order_leave_no_trace",),
    ),
    Mutant(
        "minutes are seconds",
        "gan/jobs/stopping.py",
        "max_minutes * 60",
        "max_minutes",
        ("tests/gan/jobs/test_stopping.py::test_the_clock_counts_minutes",),
    ),
    Mutant(
        "channels count as pixels",
        "gan/jobs/tuning.py",
        "math.prod(dataset.shape[1:])",
        "math.prod(dataset.shape)",
        ("tests/gan/cli/test_tune.py::test_candidates_are_of_the_pixels_and_the_values_that_were_typed",),
    ),
    Mutant(
        "lrs without effect",
        "gan/jobs/tuning.py",
        "math.prod(dataset.shape[1:]), gammas, lrs)",
        "math.prod(dataset.shape[1:]), gammas, ())",
        ("tests/gan/cli/test_tune.py::test_candidates_are_of_the_pixels_and_the_values_that_were_typed",),
    ),
)
