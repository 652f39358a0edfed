"""What happened to a run is marked where it happened, the serious things first where there is too much."""

import dataclasses

from gan.jobs.report_files import RunFiles
from gan.jobs.report_marks import MOST, marks

EMPTY = RunFiles(
    path=None,
    name="x",
    config={},
    settings="",
    data={},
    stats=[],
    events=[],
    scores=[],
    phases=[],
    machine={},
)


def found(several=False, **of):
    return [(m.kimg, m.tone, m.what, m.run) for m in marks(dataclasses.replace(EMPTY, **of), several)]


def test_health_phases_and_steps():
    events = [
        {"kimg": 8, "state": "drifting", "reason": "logits apart", "action": "none"},
        {"kimg": 16, "state": "collapsed", "reason": "one image", "action": "rollback"},
        {"kimg": 20, "state": "healthy"},
        {"kimg": None, "state": "collapsed"},
    ]
    phases = [{"kimg": 4, "changes": [{"field": "batch", "old": 4, "new": 8}]}, "damaged"]
    stats = [{"kimg": 2, "nonfinite_steps": 0}, {"kimg": 3, "nonfinite_steps": 2}]
    assert found(events=events, phases=phases, stats=stats) == [
        (3, "warn", "2 steps with numbers that are not finite", ""),
        (4, "plain", "phase 2: batch 4 -> 8", ""),
        (8, "warn", "drifting: logits apart", ""),
        (16, "bad", "collapsed: one image: rollback", ""),
        (20, "plain", "healthy", ""),
    ]
    assert found(several=True, events=events[:1])[0][3] == "x"
    assert found(phases="phases.json is damaged") == []


def test_augmentation_begins_and_is_at_its_end():
    stats = [{"kimg": k, "augment/p": p} for k, p in enumerate((0.0, 0.0, 0.3, 0.8, 0.8))]
    assert found(stats=stats, config={"augment": {"max": 0.8}}) == [
        (2, "plain", "augmentation begins", ""),
        (3, "warn", "augmentation at its largest probability, 0.8", ""),
    ]
    assert found(stats=stats[:2], config={"augment": {"max": 0.8}}) == []


def test_the_log_tells_of_resumes_and_leaks():
    begins = (
        "runs/x: 40 images, 8x8x3, generator 0.25 M and discriminator 0.22 M parameters on cpu, from {} kimg"
    )
    log = [
        begins.format(0),
        "kimg 5.0/100  0m39s",
        "share of fakes that look augmented: geom 30% +- 2%.",
        begins.format(5),
    ]
    assert [(kimg, tone) for kimg, tone, *_ in found(log=[*log, "from the user: 7 kimg"])] == [
        (5, "warn"),
        (5, "plain"),
    ]
    assert found(log=log)[1][2] == "resumed"


def test_the_serious_ones_are_kept():
    phases = [{"kimg": k, "changes": []} for k in range(200)]
    events = [{"kimg": 1000, "state": "diverged"}]
    many = found(phases=phases, events=events)
    assert len(many) == MOST and many[-1][1] == "bad" and many[0][0] == 0 and many[-2][0] == 199
