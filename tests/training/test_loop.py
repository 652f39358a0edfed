"""The loop's own clock and calendar: how long a run will take, and when a score is due."""

import pytest

from tests.training.tiny import tiny_state
from training import loop
from training.loop import Pace, score_due


@pytest.mark.parametrize(
    ("kimg", "told"),
    [
        ("1", "a step takes 2 s: about 6m40s to 1 kimg"),  # 200 of 1,000 images are left: (800 / 4) * 2 s
        (
            "1000",
            "a step takes 2 s: about 138h51m to 1000 kimg; --max-minutes stops it earlier, --resume goes on",
        ),
        ("0.3", None),  # 25 steps: not worth a word
    ],
)
def test_the_rest_of_a_run_is_foretold_from_a_few_steps(kimg, told, monkeypatch):
    state, said, pace = tiny_state(f"kimg={kimg}"), [], Pace()
    state.nimg = 200
    clock = iter([100.0, *(150.0 + 2 * i for i in range(20))])  # the first step, which builds, is left out
    monkeypatch.setattr(loop.time, "perf_counter", lambda: next(clock))
    next(clock)
    for _ in range(loop.TIMED + 3):
        pace.step(state, said.append)
    assert said == ([told] if told else [])


@pytest.mark.parametrize(
    ("nimg", "every", "due"),
    [
        (16, 1, True),  # a tick has 16 images
        (20, 1, False),
        (32, 2, True),
        (48, 2, False),
        (36, 2, False),
        (92, 2, False),
        (100, 2, True),  # the end of the run is always scored
        (104, 2, True),
    ],
)
def test_a_score_is_due_at_its_ticks_and_at_the_end(nimg, every, due):
    state = tiny_state("kimg=0.1", "tick_kimg=0.016", "batch=4")
    state.nimg = nimg
    assert score_due(state, every) is due


def test_scores_follow_the_snapshots_where_no_other_number_is_set():
    state = tiny_state("kimg=0.1", "tick_kimg=0.016", "batch=4", "snapshot_ticks=3")
    ticks = []
    for state.nimg in range(16, 97, 16):
        ticks += [state.nimg // 16] if score_due(state, None) else []
    assert ticks == [3, 6]
