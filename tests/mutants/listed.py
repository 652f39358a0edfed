"""All mutants, of the rooms that no formula guards."""

from tests.mutants import (
    data,
    directions,
    duplicates,
    explore_page,
    exploring,
    honesty,
    hub,
    jobs,
    losses,
    models,
    pages,
    preparation,
    projected,
    projection,
    rating,
    reports,
    runs,
    sampling,
    scores,
    serving,
    serving_access,
    serving_batches,
    serving_load,
    serving_replicas,
    shards,
    signing,
    state,
    steps,
    threads,
    uncertainty,
    web,
    wiring,
)
from tests.mutants.planting import Mutant

ROOMS = (
    *(steps, losses, state, data, preparation, duplicates, runs, sampling, jobs, models, projected),
    *(scores, wiring, uncertainty, web, exploring, directions, honesty, projection, threads, explore_page),
    *(serving, serving_batches, serving_replicas, serving_access, serving_load, rating, signing, pages),
    *(hub, reports, shards),
)
MUTANTS: tuple[Mutant, ...] = tuple(mutant for room in ROOMS for mutant in room.MUTANTS)
