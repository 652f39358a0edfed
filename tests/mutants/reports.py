"""Mistakes in reports: what is drawn, counted, compared, escaped, and served while a run trains."""

from tests.mutants.planting import Mutant

CLI = "tests/gan/cli/test_report.py::test_"
JOBS = "tests/gan/jobs/test_"
LIVE = "tests/gan/web/test_live_report.py::test_"
BROWSER = "tests/gan/web/test_report_browser.py::test_"

MUTANTS = (
    Mutant(
        "curve of the first points",
        "gan/jobs/charts.py",
        "for i in range(0, len(points), max(size, 1))]",
        "for i in range(0, min(len(points), most), 1)]",
        (f"{JOBS}charts.py::test_many_points_are_means_of_their_neighbours",),
    ),
    Mutant(
        "runs have one colour",
        "gan/jobs/charts.py",
        'who = ("run", runs) if runs else ("name", names)',
        'who = ("name", names)',
        (f"{JOBS}charts.py::test_of_several_runs_colours_are_runs_and_dashes_curves",),
    ),
    Mutant(
        "a logarithm of 0",
        "gan/jobs/charts.py",
        "if min(values) > 0:",
        "if max(values) > 0:",
        (f"{JOBS}charts.py::test_logarithmic_scales_hold_what_there_is",),
    ),
    Mutant(
        "marks beyond the curves",
        "gan/jobs/charts.py",
        "marks=[mark for mark in marks if first <= mark.kimg <= last]",
        "marks=list(marks)",
        (f"{JOBS}charts.py::test_marks_are_those_within_the_curves",),
    ),
    Mutant(
        "another extra is named",
        "gan/jobs/chart_library.py",
        "{install('report')}",
        "{install('web')}",
        (f"{JOBS}chart_library.py::test_it_is_named_where_it_is_missing",),
    ),
    Mutant(
        "curves of several runs are one",
        "gan/jobs/report_curves.py",
        'run=run.name if several else ""',
        'run=""',
        (f"{CLI}runs_side_by_side",),
    ),
    Mutant(
        "first grids only",
        "gan/jobs/charts.py",
        "return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]",
        "return list(items[:most])",
        (f"{CLI}grids_are_spread_over_the_run_and_its_state_is_the_last",),
    ),
    Mutant(
        "pictures of any size",
        "gan/jobs/report_pictures.py",
        "share = TOTAL // runs // max(len(wanted), 1)",
        "share = TOTAL",
        (f"{JOBS}report_pictures.py::test_all_of_a_page_share_its_bytes",),
    ),
    Mutant(
        "state of the first tick",
        "gan/jobs/report_summary.py",
        "last, found = (stats[-1] if",
        "last, found = (stats[0] if",
        (f"{JOBS}report_summary.py::test_the_headline_of_an_old_run",),
    ),
    Mutant(
        "damage is not said",
        "gan/jobs/report_files.py",
        "absent\n    except UserError as error:\n        say(str(error))\n",
        "absent\n    except UserError as error:\n        pass\n",
        (f"{CLI}what_is_damaged_is_named_and_the_rest_is_shown",),
    ),
    Mutant(
        "runs of one name",
        "gan/jobs/report_files.py",
        "if len(set(found)) == len(set(parts)):",
        "if found:",
        (f"{CLI}runs_side_by_side",),
    ),
    Mutant(
        "the first session is a resume",
        "gan/jobs/report_marks.py",
        "if sessions > 1:",
        "if sessions > 0:",
        (f"{JOBS}report_marks.py::test_the_log_tells_of_resumes_and_leaks",),
    ),
    Mutant(
        "settings of the data differ",
        "gan/jobs/report_settings.py",
        "and not _of_data(key)",
        "and key",
        (f"{JOBS}report_settings.py::test_what_differs_from_the_preset_but_for_the_data",),
    ),
    Mutant(
        "the worst score is the best",
        "gan/jobs/report_scores.py",
        'pick = min if way == "lower" else max',
        'pick = max if way == "lower" else min',
        (f"{JOBS}report_scores.py::test_the_best_is_of_one_curve_in_the_direction_of_its_metric",),
    ),
    Mutant(
        "the worst score of each run",
        "gan/jobs/report_scores.py",
        '{"lower": min, "higher": max}.get(way)',
        '{"lower": max, "higher": min}.get(way)',
        (f"{JOBS}report_scores.py::test_the_best_of_each_run_side_by_side",),
    ),
    Mutant(
        "scores of other counts in one curve",
        "gan/jobs/report_scores.py",
        'COMPARABLE = ("label", "metric", "convention", "num_fake",',
        'COMPARABLE = ("label", "metric", "convention",',
        (f"{JOBS}report_scores.py::test_one_curve_for_each_label_convention_count_and_data",),
    ),
    Mutant(
        "text of a run as HTML",
        "gan/templates.py",
        "autoescape=True",
        "autoescape=False",
        (f"{CLI}hostile_contents_are_text",),
    ),
    Mutant(
        "data of charts as HTML",
        "gan/jobs/templates/report_content.html",
        "{{ chart_data|tojson }}",
        "{{ chart_data|tojson|replace('\\\\u003c', '<')|replace('\\\\u003e', '>')|safe }}",
        (f"{CLI}hostile_contents_are_text",),
    ),
    Mutant(
        "any script may run",
        "gan/jobs/reporting.py",
        "script-src {allowed}; style",
        "script-src 'unsafe-inline'; style",
        (f"{CLI}nothing_else_runs_and_nothing_is_fetched",),
    ),
    Mutant(
        "captions too faint in the dark",
        "gan/jobs/report_style.py",
        '"muted": "#a9b1ba",',
        '"muted": "#57606a",',
        (f"{JOBS}report_style.py::test_contrast",),
    ),
    Mutant(
        "the largest value falls off",
        "gan/jobs/still_charts.py",
        "found[min(int(share * count), count - 1)] += 1",
        "found[min(int(share * count), count - 2)] += 1",
        (f"{JOBS}data_report.py::test_a_histogram_counts",),
    ),
    Mutant(
        "the live page is not made again",
        "gan/web/report/live.py",
        "version == self._made[0] or",
        "self._made[0] or",
        (f"{LIVE}the_page_follows_a_run_which_is_the_same_without_it",),
    ),
    Mutant(
        "a fault of the live page ends it",
        "gan/web/report/live.py",
        "except Exception as error:  # whatever it is, the run goes on",
        "except UserError as error:",
        (f"{LIVE}what_fails_there_is_one_warning_and_the_run_goes_on",),
    ),
    Mutant(
        "the live page outlives its run",
        "gan/web/report/live.py",
        "        self._stack.close()",
        "        pass",
        (f"{LIVE}the_page_follows_a_run_which_is_the_same_without_it",),
    ),
)
