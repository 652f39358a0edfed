"""Mistakes in checkpoints, cards, exports and the transfer of weights."""

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "scores of a run",
        "gan/models/runs.py",
        'json_lines(self.path / "metrics.jsonl")',
        'json_lines(self.path / "stats.jsonl")',
        ("tests/gan/models/test_runs.py::test_what_a_run_holds",),
    ),
    Mutant(
        "statistics of a run",
        "gan/models/runs.py",
        'json_lines(self.path / "stats.jsonl")',
        'json_lines(self.path / "metrics.jsonl")',
        ("tests/gan/models/test_runs.py::test_what_a_run_holds",),
    ),
)
