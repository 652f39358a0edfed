"""The page of a data set: what it tells, that it is one file without scripts, and that it stays small."""

import re

import pytest
from click.testing import CliRunner

from gan.cli.main import main
from gan.errors import UserError
from gan.jobs import data_selection as selection
from gan.jobs import data_subject
from gan.jobs.data_report import page, report
from gan.jobs.still_charts import bars, histogram
from gan.jobs.work_folder import Seen
from tests.gan import work_folders

pytest.importorskip("vl_convert", reason="the extra report is not installed")


@pytest.fixture
def folder(tmp_path):
    return work_folders.make(tmp_path)


def section(text, anchor):
    """The HTML from a heading to the next."""
    return text.partition(f'<h2 id="{anchor}">')[2].partition("<h2 ")[0]


def test_a_preparation(folder):
    result = CliRunner().invoke(main, ["data", "report", str(folder.with_name("out.zip"))])
    path = folder.with_name("out.report.html")
    assert result.exit_code == 0 and result.stdout == f"{path}\n" and result.stderr == ""
    text = path.read_text()
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)<", text.partition("<nav")[0]))
    assert (facts["Files seen"], facts["Kept"], facts["Dropped"]) == ("18", "13", "4")
    assert (facts["In quarantine"], facts["Classes"], facts["Size"]) == ("1", "3", "96 × 64")
    left = section(text, "left-out")
    for cause in ("duplicate", "fault:blurred", "fault:float", "fault:truncated", "require:licence"):
        assert f"<h3>{cause} " in left, cause
    assert left.count("<img ") == 5 and left.count("data:image/svg+xml") == 2
    duplicates = section(text, "duplicates")
    assert duplicates.count('class="keep keeper"') == duplicates.count("✓ kept") == 1
    assert duplicates.index("a/000.png") < duplicates.index("b/copy.png")
    assert "✓ kept" not in section(text, "extremes")
    assert re.search(r"truncated</td><td>drop</td><td class=\"number\">1</td>.*b/cut\.png", text)
    assert "4 of 6" in section(text, "classes") and "sharpness &gt; 5" in section(text, "made")


def test_one_file_without_scripts_and_everything_escaped(folder):
    text = page(data_subject.of(folder))
    assert set(re.findall(r'(?:src|href)="(#|.{5})', text)) == {"data:", "#"}
    assert "<script" not in text and "<link rel" in text and "url(" not in text and "@import" not in text
    assert "ünï &lt;b&gt;.png" in text and "<b>.png" not in text


def test_out(folder, tmp_path):
    assert report(folder, tmp_path / "x" / "page.html") == tmp_path / "x" / "page.html"
    with pytest.raises(UserError, match="no data set at"):
        report(tmp_path / "nothing")


def test_a_finished_data_set(tiny_zip, tmp_path):
    result = CliRunner().invoke(main, ["data", "report", str(tiny_zip), "--out", str(tmp_path / "a.html")])
    assert result.exit_code == 0, result.output
    assert "images and statistics alone" in result.stderr
    text = (tmp_path / "a.html").read_text()
    assert "left-out" not in text and section(text, "images").count("data:image/webp") == 24
    assert "<b>Sharpness</b>" in text and "<b>Contrast</b>" in text
    assert len(data_subject.of(tiny_zip).files) == 40


def test_a_finished_set_is_measured_in_parts(tiny_zip, monkeypatch):
    monkeypatch.setattr(data_subject, "MEASURED", 15)
    subject = data_subject.of(tiny_zip)
    assert subject.total == 40 and [seen.number for seen in subject.files] == list(range(0, 40, 3))
    assert "14 of them measured" in page(subject)


def test_a_large_set_makes_a_small_page(tmp_path):
    records = []
    for number in range(3000):
        cause = f"fault:kind-{number % 40}" if number % 2 else None
        changes = work_folders.dropped(cause) if cause else {}
        changes |= {"cluster": number // 4, "label": f"class {number % 500}"}
        records.append(work_folders.record(number, f"{number:05d}.png", **changes))
    source = tmp_path / "source"
    work_folders.save(source, work_folders.picture(0), records[0])
    text = page(data_subject.of(work_folders.write(tmp_path / "out.prepare", [source], records)))
    most = selection.SHOWN * (selection.CAUSES + 6 + 1) + 4 * selection.CLUSTERS
    assert 0 < text.count("<img ") <= most and len(text) < 1_000_000
    assert "And 738 groups more" in text and "And 440 classes more" in text


def test_left_out_is_drawn_apart(folder):
    figure = page(data_subject.of(folder)).partition("<b>Sharpness</b>")[2].partition("</figure>")[0]
    assert figure.count('role="img" aria-label="Sharpness: from') == 1 and "var(--c2)" in figure


def seen(number, **measured):
    return Seen(number=number, path=f"{number}", source=0, verdict="keep", **measured)


def test_outliers_are_far_from_the_median():
    files = [seen(n, brightness=0.5 + 0.01 * (n % 7), sharpness=100.0 + n % 5) for n in range(40)]
    files.append(seen(40, brightness=0.99, sharpness=101.0))
    files.append(seen(41, brightness=0.5, sharpness=0.5))
    files.append(seen(42, brightness=0.98, sharpness=101.0))  # two would widen a standard deviation
    assert [(s.number, note) for s, note in selection.outliers(files)] == [
        (41, "sharpness 0.5"),
        (40, "brightness 0.99"),
        (42, "brightness 0.98"),
    ]
    assert selection.outliers([seen(n, brightness=0.5) for n in range(9)]) == []  # no spread: nobody is far


def test_outliers_by_features_where_they_are_known():
    files = [seen(n, brightness=0.5, outlier=n / 4) for n in range(20)]
    assert [(s.number, note) for s, note in selection.outliers(files)] == [
        (number, f"outlier {number / 4:.3g}") for number in (19, 18, 17, 16, 15)
    ]


def test_extremes_are_of_what_is_kept():
    files = [seen(n, sharpness=float(n)) for n in range(30)]
    files[0] = Seen(number=0, path="0", source=0, verdict="drop", sharpness=0.0)
    rows = dict(selection.extremes(files))
    assert [s.number for s, _ in rows["Dullest"]] == list(range(1, 9))
    assert [s.number for s, _ in rows["Sharpest"]] == list(range(29, 21, -1))
    assert set(rows) == {"Dullest", "Sharpest"}


def test_a_histogram_counts():
    rows = bars([0.0, 1.0, 1.0], [1.0, 3.0], logarithmic=False)
    assert [tuple(row[key] for key in ("start", "end", "from", "to", "group")) for row in rows] == [
        (0, 1, 0, 1, "kept"),
        (1, 2, 0, 2, "kept"),
        (1, 2, 2, 3, "left out"),
        (2, 3, 0, 1, "left out"),
    ]
    assert [row["start"] for row in bars([1.0, 10.0, 1000.0], [], True)] == pytest.approx([1, 10, 100])


def test_a_histogram_is_drawn():
    drawn = histogram("Size <px>", [0.0, 1.0, 1.0], [3.0])
    heights = [float(one) for one in re.findall(r'bar" d="M[^h]*h[^v]*v([\d.]+)', drawn.svg)]
    assert heights == pytest.approx([65, 130, 65])  # of 130 pixels: bars stand on the axis
    assert drawn.label == "Size <px>: from 0 to 3, median 1" and drawn.note == ""
    assert drawn.svg.count("var(--c1)") == 2 and drawn.svg.count("var(--c2)") == 1
    assert histogram("x", [1.0, 10.0, 1000.0], []).note == "logarithmic"
    assert histogram("x", [], []) is None
    assert (histogram("x", [5.0], [5.0]).label, histogram("x", [5.0], [5.0]).svg) == ("all 5", "")
