"""Mistakes in finding and keeping the number of threads of a run."""

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "threads of every size are taken",
        "training/threads.py",
        "if seconds <= CLEARLY * min(times.values()))",
        ")",
        ("tests/training/test_threads.py::test_the_fewest_threads_that_are_not_clearly_slower",),
    ),
    Mutant(
        "a rehearsal that is not undone",
        "training/threads.py",
        "        undo.restore()\n",
        "",
        ("tests/training/test_threads.py::test_timing_leaves_no_trace",),
    ),
    Mutant(
        "threads that the pace of the machine decides",
        "training/threads.py",
        "times[number] * now[number // 2] / now[number]",
        "now[number // 2]",
        ("tests/training/test_threads.py::test_numbers_are_compared_in_turn_on_a_machine_that_slows_down",),
    ),
    Mutant(
        "a process times alone",
        "training/threads.py",
        "if told.any():",
        "if told[0]:",
        ("tests/training/test_threads.py::test_processes_choose_together",),
    ),
    Mutant(
        "the fastest process decides on threads",
        "training/threads.py",
        "return max(float(t)",
        "return min(float(t)",
        ("tests/training/test_threads.py::test_processes_choose_together",),
    ),
    Mutant(
        "threads are forgotten",
        "training/state.py",
        'self.threads = counters.get("threads")',
        "self.threads = None",
        ("tests/training/test_threads.py::test_a_run_records_its_number_and_goes_on_with_it",),
    ),
    Mutant(
        "scores with the threads of training",
        "gan/jobs/session.py",
        "threads.of(around.threads)",
        "threads.of(state.threads)",
        ("tests/training/test_threads.py::test_a_run_records_its_number_and_goes_on_with_it",),
    ),
    Mutant(
        "threads of a run stay",
        "training/backends.py",
        ", of(torch.get_num_threads()):",
        ":",
        ("tests/training/test_threads.py::test_a_run_records_its_number_and_goes_on_with_it",),
    ),
    Mutant(
        "threads recorded before they are chosen",
        "gan/jobs/session.py",
        "    runs.describe_surroundings(run)\n",
        "",
        ("tests/training/test_threads.py::test_a_run_records_its_number_and_goes_on_with_it",),
    ),
    Mutant(
        "a score is a slow step",
        "training/threads.py",
        "median(end - begin for",
        "max(end - begin for",
        ("tests/training/test_threads.py::test_what_happens_between_two_steps_is_no_slow_step",),
    ),
    Mutant(
        "threads that do not come back",
        "training/threads.py",
        "torch.get_num_threads() < self._most\n",
        "False\n",
        ("tests/training/test_threads.py::test_threads_come_back_when_the_machine_is_free",),
    ),
    Mutant(
        "a slow run is timed for ever",
        "training/threads.py",
        'self._best, self._last = float("inf"), time.monotonic()',
        "self._last = time.monotonic()",
        ("tests/training/test_threads.py::test_a_slow_run_is_not_timed_again_and_again",),
    ),
    Mutant(
        "any gain is worth other bits",
        "training/threads.py",
        "< WORTH * times[number]",
        "<= times[number]",
        ("tests/training/test_threads.py::test_threads_come_back_when_the_machine_is_free",),
    ),
    Mutant(
        "a number that was said is changed",
        "training/threads.py",
        "return Watch(say, choice.most) if choice.most > 1 else None",
        "return Watch(say, cores())",
        ("tests/training/test_threads.py::test_a_number_that_was_said_stays",),
    ),
)
