"""Mistakes in what surrounds scores: context, shares of work, reading, what is told."""

from tests.mutants.planting import Mutant

CONTEXT = "tests/metrics/test_context.py"
PROCESSES = ("tests/metrics/test_two_processes.py::test_every_score_has_the_digits_of_one_process",)

MUTANTS = (
    Mutant(
        "scores under autocast",
        "gan/precision.py",
        'torch.autocast("cpu", enabled=False)',
        'torch.autocast("cpu", enabled=torch.is_autocast_enabled("cpu"))',
        (f"{CONTEXT}::test_generator_and_networks_run_in_one_context",),
    ),
    Mutant(
        "products keep TF32",
        "gan/precision.py",
        'torch.set_float32_matmul_precision("highest")',
        "pass",
        ("tests/gan/test_precision.py::test_float32_stays_float32_and_all_is_restored[high]",),
    ),
    Mutant(
        "settings of a failed score stay",
        "gan/precision.py",
        "cudnn.benchmark, cudnn.deterministic = before",
        "pass",
        ("tests/gan/test_precision.py::test_restored_after_an_error",),
    ),
    Mutant(
        "scores outside of the context",
        "metrics/evaluate.py",
        "with precision.exact(), distributed.dealing(), _one_voice():",
        "with distributed.dealing(), _one_voice():",
        (f"{CONTEXT}::test_generator_and_networks_run_in_one_context",),
    ),
    Mutant(
        "rehearsal outside of the context",
        "metrics/evaluate.py",
        "    with precision.exact():\n        _rehearse",
        "    if True:\n        _rehearse",
        (f"{CONTEXT}::test_the_rehearsal_of_a_score_runs_in_it_too",),
    ),
    Mutant(
        "networks on the CPU",
        "metrics/evaluate.py",
        'devices.pick(device or "auto")',
        'devices.pick(device or "cpu")',
        (f"{CONTEXT}::test_networks_go_where_they_are_sent_else_to_the_generator_else_to_a_gpu",),
    ),
    Mutant(
        "the first failure ends all",
        "metrics/evaluate.py",
        "            problems.append(str(error))\n            continue",
        "            raise error",
        (f"{CONTEXT}::test_a_metric_that_fails_leaves_the_others_their_scores",),
    ),
    Mutant(
        "results by rank, not by number",
        "gan/distributed.py",
        "own = work(min(start + rank(), count - 1))",
        "own = work(min(start + world() - 1 - rank(), count - 1))",
        ("tests/gan/test_distributed.py::test_each_does_its_share_and_has_all_in_order", *PROCESSES),
    ),
    Mutant(
        "strips of one process",
        "metrics/measure.py",
        "            store.complete()",
        "            pass",
        PROCESSES,
    ),
    Mutant(
        "classes are uniform",
        "metrics/of_generators.py",
        "            labels=inputs.labels,\n",
        "",
        (
            "tests/metrics/test_catalogue.py::test_the_samples_of_a_metric_have_the_classes_that_are_drawn_for_them",
            "tests/gan/jobs/test_scoring.py::test_metrics_of_the_generator_draw_the_classes_of_the_data[ppl-w-end]",
        ),
    ),
    Mutant(
        "classes of equivariance are uniform",
        "metrics/of_generators.py",
        '"labels": inputs.labels, ',
        "",
        ("tests/gan/jobs/test_scoring.py::test_metrics_of_the_generator_draw_the_classes_of_the_data[eq-t]",),
    ),
    Mutant(
        "large images stay large",
        "metrics/images.py",
        "return filled(reduced(images.to(device), side), BATCH)",
        "return filled(view(images.to(device)), BATCH)",
        (
            "tests/metrics/test_images.py::test_large_images_are_reduced_before_the_next_are_read",
            "tests/metrics/test_catalogue.py::"
            "test_pairs_of_large_images_are_compared_reduced[ms-ssim-512-128]",
        ),
    ),
    Mutant(
        "one thread reads",
        "metrics/images.py",
        'count = getattr(source, "readers", 1)',
        "count = 1",
        ("tests/metrics/test_images.py::test_a_batch_is_read_by_as_many_threads_as_there_may_be",),
    ),
    Mutant(
        "mixed sizes are refused",
        "gan/jobs/scoring.py",
        "self.dataset.raw(i)",
        "self.dataset.image(i)",
        ("tests/gan/cli/test_evaluate.py::test_a_folder_of_mixed_sizes_and_colours_is_scored",),
    ),
    Mutant(
        "scores are told only at the end",
        "gan/jobs/evaluation.py",
        "        if records:\n            told(records)",
        "        if False:\n            told(records)",
        ("tests/gan/cli/test_evaluate.py::test_scores_are_printed_before_a_page_that_cannot_be_written",),
    ),
)
