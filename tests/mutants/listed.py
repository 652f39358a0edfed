"""All mutants, of the rooms that no formula guards."""

from tests.mutants import (
    data,
    duplicates,
    jobs,
    losses,
    models,
    preparation,
    projected,
    rating,
    runs,
    sampling,
    scores,
    state,
    steps,
    uncertainty,
    web,
    wiring,
)
from tests.mutants.planting import Mutant

ROOMS = (
    *(steps, losses, state, data, preparation, duplicates, runs, sampling, jobs, models, projected),
    *(scores, wiring, uncertainty, web, rating),
)
MUTANTS: tuple[Mutant, ...] = tuple(mutant for room in ROOMS for mutant in room.MUTANTS)
