"""Two processes give the digits of one, for every metric of the table."""

import json

from metrics import METRICS


def test_every_score_has_the_digits_of_one_process(cache, tmp_path, ranks):
    own = tmp_path / "cache"  # nothing but kernels in it, which take a minute to build
    own.mkdir()
    (own / "ops").symlink_to(cache / "ops")
    found, work, shares = [], [], []
    for processes in (1, 2):
        out = tmp_path / f"{processes}.json"
        environment = {"GAN_CACHE": str(own)}
        ranks("metrics/two_processes.py", str(out), processes=processes, environment=environment)
        written = json.loads(out.read_text())
        found.append({record["label"]: record for record in written["records"]})
        work.append(written["work"])
        shares.append(written["share"])
    assert shares[0] == 1 and 0.5 <= shares[1] < 0.6  # of the rows that are compared, in either process
    alone, shared = found
    for name, (whole,) in work[0].items():  # neither does all of it, nor much more than the other
        each = work[1][name]
        assert whole > 1 and max(each) <= 0.7 * whole and sum(each) >= whole, (name, whole, each)
    assert alone.keys() == shared.keys()
    apart = [label for label in alone if alone[label] != shared[label]]
    assert not apart, [(alone[label]["value"], shared[label]["value"]) for label in apart]
    scored = {record["metric"].partition("/")[0] for record in alone.values()}
    several = {"pr": "precision", "dc": "density"}
    assert {several.get(name, name) for name in METRICS} <= scored
