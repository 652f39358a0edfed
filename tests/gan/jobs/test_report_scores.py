"""Scores that do not compare are never one curve, and what is said twice is shown once."""

import re

from gan.jobs.report_scores import best, better, curves, distinct, section


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
    rows = [record(1, 9.0), record(0, 10.0)]
    for other in ({"label": "fid[5k-full]"}, {"convention": "b"}, {"num_fake": 5}, {"data_sha256": "2"}):
        rows.append(record(0, 3.0, **other))
    found = curves([*rows, record(None, 1.0), record(2, None), record(3, float("nan"))])
    assert [[r["value"] for r in rows] for rows in found] == [[10, 9], [3], [3], [3], [3]]
    html = section(rows)
    assert html.count('class="chart"') == 5
    assert "fid[2k-full], a, 2000 fakes, data 12345678</b>" in html


def test_equal_records_once():
    rows = [record(0, 10.0), record(1, 9.0), dict(reversed(record(0, 10.0).items())), record(1, 8.0)]
    assert distinct(rows) == [rows[0], rows[1], rows[3]]
    assert len(re.findall("<tr", section(distinct(rows)))) == 4  # with the head


def test_the_best_is_of_one_curve_in_the_direction_of_its_metric():
    rows = [record(0, 10.0), record(1, 8.0), record(2, 9.0), record(0, 1.0, num_fake=50)]
    assert best(rows) == (rows[1], "lower")
    high = [record(k, v, metric="precision", label="precision") for k, v in enumerate((0.1, 0.7, 0.6, 0.2))]
    assert best([*rows, *high]) == (high[1], "higher")
    assert best([record(0, 1.0, metric="is/real"), record(0, 1.0, metric="of-a-plug-in")]) is None
    assert (better("is"), better("modes"), better("fid")) == ("higher", "", "lower")
