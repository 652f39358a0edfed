"""All mutants, of the rooms that no formula guards."""

from tests.mutants import data, jobs, losses, models, runs, sampling, scores, state, steps, wiring
from tests.mutants.planting import Mutant

ROOMS = (steps, losses, state, data, runs, sampling, jobs, models, scores, wiring)
MUTANTS: tuple[Mutant, ...] = tuple(mutant for room in ROOMS for mutant in room.MUTANTS)
