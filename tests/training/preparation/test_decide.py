"""Records, policies, conditions and decisions -> verdicts."""

import hashlib

import pytest

from gan.errors import UsageError
from training.preparation import policies
from training.preparation.decide import (
    Cluster,
    Decisions,
    Rules,
    Verdicts,
    drop_copies,
    final,
    first_verdicts,
    is_val,
    ordered,
)
from training.preparation.notes import Notes


def record(path="a.png", *kinds, **changes):
    """A record of the scan with these faults."""
    usual = {
        "path": path,
        "bytes": 9,
        "sha256": "5" * 64,
        "pixels_sha256": "a" * 64,
        "width": 64,
        "height": 64,
    }
    usual |= {"mode": "RGB", "format": "PNG", "phash": "0" * 16}
    usual |= {
        "sharpness": 500.0,
        "brightness": 100.0,
        "contrast": 40.0,
        "colourfulness": 9.0,
    } | dict.fromkeys(("blank", "dark", "light", "content", "faces", "outlier"), 0.1)
    return {**usual, "faults": [{"kind": kind, "detail": ""} for kind in kinds], **changes}


def outcome(*records, on=(), decisions=(), twins=None, notes=None, copies=(), **rules):
    """{path: (verdict, reason)} and the objects of files.jsonl."""
    rules = Rules(**{"height": 32, "width": 32, "policies": policies.parse(on), **rules})
    rows = [(number, 0, r["path"].encode(), r) for number, r in enumerate(records)]
    told, notes = Decisions(decisions), notes or Notes()
    found = first_verdicts(rows, rules, notes, told, twins or {})
    drop_copies(found, copies)
    objects = [r for _, r in final(rows, rules, notes, told, found, lambda split, i: f"{split}{i}")]
    return {r["path"]: (r["verdict"], r["reason"]) for r in objects}, objects


@pytest.mark.parametrize("kind", [kind for kind, said in policies.KINDS.items() if said.mended])
@pytest.mark.parametrize("policy", policies.POLICIES)
def test_every_fault_obeys_its_policy(kind, policy):
    verdicts, _ = outcome(record("a.png", kind), on=[f"{kind}={policy}"])
    assert verdicts["a.png"] == (("keep", None) if policy == "fix" else (policy, f"fault:{kind}"))


@pytest.mark.parametrize("kind", [kind for kind, said in policies.KINDS.items() if not said.mended])
@pytest.mark.parametrize("policy", policies.HOPELESS)
def test_what_has_no_pixels_is_never_kept(kind, policy):
    nothing = record("a.png", kind, pixels_sha256=None)
    verdicts, _ = outcome(
        nothing, on=[f"{kind}={policy}"], decisions=[{"path": "a.png", "source": 0, "decision": "keep"}]
    )
    assert verdicts["a.png"] == (policy, f"fault:{kind}")


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"width": 15, "height": 15}, "tiny"),
        ({"width": 16, "height": 16}, None),
        ({"width": 193}, "aspect"),
        ({"height": 192}, None),
        ({"blank": 0.996, "sharpness": 0.0}, "blank"),
        ({"sharpness": 9.5}, "blurred"),
    ],
)
def test_faults_by_measures(changes, kind):
    _, (found,) = outcome(record(**changes))
    assert [fault["kind"] for fault in found["faults"]] == ([kind] if kind else [])


def test_names_that_differ_by_case():
    _, found = outcome(record("A.png"), record("a.png"), twins={0: b"a.png", 1: b"A.png"})
    assert [r["faults"][0] for r in found] == [
        {"kind": "name", "detail": "beside a.png"},
        {"kind": "name", "detail": "beside A.png"},
    ]


def test_the_strictest_policy_decides():
    verdicts, _ = outcome(record("a.png", "alpha", "cmyk", "palette"), on=["cmyk=quarantine", "alpha=drop"])
    assert verdicts["a.png"] == ("quarantine", "fault:cmyk")


@pytest.mark.parametrize("text", ["alpha", "alpa=drop", "alpha=remove", "corrupt=fix"])
def test_policies_that_mean_nothing(text):
    with pytest.raises(UsageError, match=text):
        policies.parse([text])


def test_conditions_and_fields():
    notes = Notes(
        by_file={(0, "a.png"): {"licence": "CC0", "custom": {"score": 3}}, (0, "b.png"): {"licence": ""}}
    )
    three = [record(name) for name in ("a.png", "b.png", "c.png")]
    verdicts, _ = outcome(*three, notes=notes, require=("licence",))
    assert verdicts == {"a.png": ("keep", None)} | dict.fromkeys(
        ("b.png", "c.png"), ("drop", "require:licence")
    )
    verdicts, _ = outcome(*three, notes=notes, where=lambda r: r.get("score") == 3 and r["width"] == 64)
    assert [verdicts[name] for name in ("a.png", "b.png")] == [("keep", None), ("drop", "where")]
    verdicts, _ = outcome(three[0], notes=notes, refused=lambda number, r: "blocklist")
    assert verdicts == {"a.png": ("drop", "blocklist")}


def told(decision, path="a.png", **more):
    return {"path": path, "source": 0, "decision": decision, **more}


@pytest.mark.parametrize(
    ("decisions", "verdict"),
    [
        ([told("keep")], ("keep", None)),
        ([told("drop")], ("drop", "decision")),
        ([told("drop"), told("keep")], ("keep", None)),
        ([told("keep"), told("drop"), told("undo")], ("keep", None)),
        ([told("keep"), told("undo")], ("drop", "fault:tiny")),
        ([told("keep", path="b.png")], ("drop", "fault:tiny")),
        ([told("drop"), told("relabel", label="x")], ("drop", "decision")),
    ],
)
def test_decisions(decisions, verdict):
    verdicts, _ = outcome(record(width=4), decisions=decisions)
    assert verdicts["a.png"] == verdict


def test_relabelling():
    notes = Notes(by_file={(0, "a.png"): {"label": "cat"}})
    labels = lambda *words: outcome(record(), notes=notes, decisions=words)[1][0]["label"]  # noqa: E731
    assert labels() == "cat" and labels(told("relabel", label="dog")) == "dog"
    assert labels(told("relabel", label="dog"), told("undo")) == "cat"


def cluster(*members, **more):
    """A cluster of records a, b, c, ... by number."""
    return Cluster(**{"members": members, "path": "abcd"[members[0]], "pixels_sha256": "a" * 64, **more})


def test_copies_that_stay_go_to_one_side():
    """Without clusters the content of each decides; here the one that is kept decides for all."""
    digests = [hashlib.sha256(bytes([i])).hexdigest() for i in range(4)]
    files = [record(name, pixels_sha256=digest) for name, digest in zip("abcd", digests, strict=True)]
    sides = lambda *copies: [r["split"] for r in outcome(*files, val=0.5, copies=copies)[1]]  # noqa: E731
    assert set(sides()) == {"train", "val"}
    for digest in digests:
        together = cluster(0, 1, 2, 3, drops=False, pixels_sha256=digest)
        assert sides(together) == ["val" if is_val(digest, 0.5) else "train"] * 4


def test_what_is_in_a_second_set_goes():
    verdicts, _ = outcome(*(record(n) for n in "ab"), copies=[cluster(0, against="against x.png")])
    assert verdicts == {"a": ("drop", "against x.png"), "b": ("keep", None)}


def test_content_and_blocklist_against_a_person():
    wanted = [told("keep")]
    score = record(content=0.9)
    assert outcome(score, content=0.8)[0]["a.png"] == ("drop", "content")
    assert outcome(record(content=None), content=0.8)[0]["a.png"] == ("drop", "content")
    assert outcome(record(content=0.0), content=0.8)[0]["a.png"] == ("keep", None)
    assert outcome(score, content=0.8, decisions=wanted)[0]["a.png"] == ("keep", None)
    refused = outcome(score, refused=lambda number, r: "blocklist", decisions=wanted)
    assert refused[0]["a.png"] == ("drop", "blocklist")


def test_one_of_each_cluster_is_kept_and_who_is_wanted():
    files = [record(name) for name in "abcd"]
    verdicts, found = outcome(*files, copies=[cluster(1, 0, 3)], decisions=[told("keep", path="d")])
    assert verdicts == {
        "a": ("drop", "duplicate of b"),
        "b": ("keep", None),
        "c": ("keep", None),
        "d": ("keep", None),
    }
    assert [(r["cluster"], r["keeper"]) for r in found] == [(0, False), (0, True), (None, False), (0, False)]
    assert [r["out"] for r in found] == [None, "train0", "train1", "train2"]


def test_the_part_held_back_depends_on_content_alone():
    digests = [hashlib.sha256(bytes([i % 256, i // 256])).hexdigest() for i in range(1000)]
    share = sum(is_val(digest, 0.1) for digest in digests) / 1000
    assert 0.08 < share < 0.12
    assert not any(is_val(digest, 0.0) for digest in digests)
    assert all(is_val(digest, 0.3) for digest in digests if is_val(digest, 0.1))  # the parts are nested


def test_files_that_only_speak_have_no_record():
    notes = Notes(used={(0, "a.txt")})
    verdicts, _ = outcome(
        record("a.txt", "type", pixels_sha256=None), record("b.txt", "type", pixels_sha256=None), notes=notes
    )
    assert verdicts == {"b.txt": ("drop", "fault:type")}


def test_order_of_classes():
    assert ordered(["10", "9", "10"]) == ["9", "10"] and ordered(["b", "10", "a"]) == ["10", "a", "b"]


def test_verdicts_begin_empty():
    assert not Verdicts().is_kept(0)
