"""Mistakes in how processes share rows of features."""

from tests.mutants.planting import Mutant

SHARDS = "tests/metrics/test_shards.py::"

MUTANTS = (
    Mutant(
        "every process keeps all rows",
        "metrics/features.py",
        "        if maker == rank:",
        "        if True:",
        (f"{SHARDS}test_a_process_keeps_the_rows_that_it_made[3-230]",),
    ),
    Mutant(
        "rows in the order of who has them",
        "metrics/shards.py",
        "rows[owner.argsort(stable=True).to(self.device)] = found",
        "rows[:] = found",
        (f"{SHARDS}test_scores_of_shared_rows_have_the_digits_of_one_process[2]",),
    ),
    Mutant(
        "rows from the cache stay with all",
        "metrics/kept.py",
        ".from_state(state).dealt()",
        ".from_state(state)",
        (f"{SHARDS}test_what_is_kept_of_reals_is_shared_again",),
    ),
    Mutant(
        "a process reads only as many blocks as it needs",
        "metrics/shards.py",
        "            count = max(map(int, distributed.everyones(torch.tensor([count]))))",
        "            pass",
        (f"{SHARDS}test_fewer_rows_than_processes_or_blocks[40]",),
    ),
)
