"""All mutants, of the rooms that no formula guards."""

from tests.mutants import jobs, models, step, training

MUTANTS = (*step.MUTANTS, *training.MUTANTS, *jobs.MUTANTS, *models.MUTANTS)
