"""Scores that do not compare are never one curve, and what is said twice is shown once."""

from gan.jobs.report_scores import best, better, charts, curves, distinct, rows, side_by_side


def record(kimg, value, **more):
    common = {"metric": "fid", "label": "fid[2k-full]", "convention": "a", "num_fake": 2000, "num_real": 9}
    return {
        **common,
        "detector_sha256": "d",
        "data_sha256": "1234567890",
        "kimg": kimg,
        "value": value,
        **more,
    }


def test_one_curve_for_each_label_convention_count_and_data():
    found = [record(1, 9.0), record(0, 10.0)]
    for other in ({"label": "fid[5k-full]"}, {"convention": "b"}, {"num_fake": 5}, {"data_sha256": "2"}):
        found.append(record(0, 3.0, **other))
    sets = curves([*found, record(None, 1.0), record(2, None), record(3, float("nan"))])
    assert [[r["value"] for r in each] for each in sets] == [[10, 9], [3], [3], [3], [3]]
    made = charts({"x": found}, [])
    assert len(made) == 5 and made[0].title == "fid[2k-full], a, 2000 fakes, data 12345678"
    both = charts({"x": found, "y": found[:1]}, [])
    assert len(both) == 5 and [curve["run"] for curve in both[0].curves] == ["x", "y"]


def test_equal_records_once():
    found = [record(0, 10.0), record(1, 9.0), dict(reversed(record(0, 10.0).items())), record(1, 8.0)]
    assert distinct(found) == [found[0], found[1], found[3]]


def test_intervals_stand_beside_the_values():
    known = [record(0, 10.0, interval=[9.0, 11.5]), record(1, 9.0, interval=None)]
    assert [row["95 % interval"] for row in rows({"x": known})] == ["9 to 11.5", ""]
    assert "95 % interval" not in rows({"x": known[1:]})[0] and "run" not in rows({"x": known})[0]
    [made] = charts({"x": known}, [])
    assert made.curves[0]["low"] == [9, None] and made.smooth is False


def test_the_best_of_each_run_side_by_side():
    high = [record(k, v, metric="precision", label="precision") for k, v in enumerate((0.1, 0.7))]
    odd = [record(k, v, metric="mine", label="mine") for k, v in enumerate((3.0, 4.0))]
    one, two = [record(0, 10.0), record(1, 9.0, interval=[8, 10]), *high], [record(0, 7.0), *odd]
    found = {row["score"].partition(",")[0]: row for row in side_by_side({"x": one, "y": two})}
    fid = found["fid[2k-full]"]
    assert (fid["better"], fid["x"], fid["y"]) == ("lower", "9 (8 to 10) at 1 kimg", "7 at 0 kimg")
    assert (found["precision"]["x"], found["precision"]["y"]) == ("0.7 at 1 kimg", "")
    assert (found["mine"]["better"], found["mine"]["y"]) == ("no direction", "4 at 1 kimg")


def test_the_best_is_of_one_curve_in_the_direction_of_its_metric():
    low = [record(0, 10.0), record(1, 8.0), record(2, 9.0), record(0, 1.0, num_fake=50)]
    assert best(low) == (low[1], "lower")
    high = [record(k, v, metric="precision", label="precision") for k, v in enumerate((0.1, 0.7, 0.6, 0.2))]
    assert best([*low, *high]) == (high[1], "higher")
    assert best([record(0, 1.0, metric="is/real"), record(0, 1.0, metric="of-a-plug-in")]) is None
    assert (better("is"), better("modes"), better("fid")) == ("higher", "", "lower")
