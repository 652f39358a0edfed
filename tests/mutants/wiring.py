"""Mistakes in the wiring of scores: what a metric is given, by which rules, on which images."""

from tests.mutants.planting import Mutant

CATALOGUE = "metrics/catalogue.py"
OF_GENERATORS = "metrics/of_generators.py"


def number(metric: str) -> tuple[str]:
    """The end-to-end case of a metric."""
    return (f"tests/metrics/test_end_to_end.py::test_number[{metric}]",)


def sampler(name: str) -> tuple[str]:
    """A test of samples."""
    return (f"tests/metrics/test_sampler.py::{name}",)


MUTANTS = (
    Mutant(
        "precision and recall exchanged",
        CATALOGUE,
        "manifold_scores(inputs.real.rows, inputs.fake.rows, (k,)",
        "manifold_scores(inputs.fake.rows, inputs.real.rows, (k,)",
        number("pr"),
    ),
    Mutant(
        "copies among the reals",
        CATALOGUE,
        "auth_pct(inputs.real.rows, inputs.fake.rows)",
        "auth_pct(inputs.fake.rows, inputs.real.rows)",
        number("authpct"),
    ),
    Mutant(
        "modes of the reals",
        CATALOGUE,
        "mode_coverage(fake, real)",
        "mode_coverage(real, fake)",
        number("modes"),
    ),
    Mutant(
        "another k of density",
        CATALOGUE,
        "(5,), strict=True)[5]",
        "(3,), strict=True)[3]",
        number("dc"),
    ),
    Mutant(
        "another resize before VGG16",
        "metrics/networks/extractors.py",
        '"vgg16": functools.partial(vgg16, "bilinear")',
        '"vgg16": functools.partial(vgg16, "tf1-bilinear")',
        ("tests/metrics/networks/test_vgg.py::test_the_tools_resize_and_scale",),
    ),
    Mutant(
        "another covariance of fid-infinity",
        CATALOGUE,
        "    ddof = inputs.convention.ddof\n    found = fid_infinity",
        "    ddof = 1\n    found = fid_infinity",
        number("fid-infinity"),
    ),
    Mutant("path lengths of one space", OF_GENERATORS, "space=space,", 'space="w",', number("ppl-z-end")),
    Mutant(
        "path lengths of one kind",
        OF_GENERATORS,
        "sampling=sampling,",
        'sampling="end",',
        number("ppl-w-full"),
    ),
    Mutant(
        "fid by the other covariance",
        CATALOGUE,
        "frechet_distance(real, fake, ddof=inputs.convention.ddof)\n\n\n",
        "frechet_distance(real, fake, ddof=1)\n\n\n",
        number("fid"),
    ),
    Mutant(
        "means as another tool rounds them",
        CATALOGUE,
        'inputs.real.with_mean32() if "real" in rounded',
        'inputs.real.with_mean32() if "fake" in rounded',
        number("fid"),
    ),
    Mutant(
        "fd on another network",
        CATALOGUE,
        'default="efficientnet-lite0"',
        'default="untrained"',
        number("fd"),
    ),
    Mutant(
        "fid-infinity by one seed",
        CATALOGUE,
        "inputs.fake.rows, seed=inputs.seed, ddof=ddof)",
        "inputs.fake.rows, seed=0, ddof=ddof)",
        number("fid-infinity"),
    ),
    Mutant(
        "counts of a class exchanged",
        CATALOGUE,
        "counts=(len(real), len(fake))",
        "counts=(len(fake), len(real))",
        number("fid-per-class"),
    ),
    Mutant(
        "classes left out are not told",
        CATALOGUE,
        "Score(mean, note=note), **scores}",
        "Score(mean), **scores}",
        number("fid-per-class"),
    ),
    Mutant(
        "one error for all kernel distances",
        CATALOGUE,
        "found.std if rules.subsets_std else found.standard_error",
        "found.standard_error",
        number("kid"),
    ),
    Mutant(
        "subsets by the seed of the request",
        CATALOGUE,
        "seed = inputs.seed if rules.subsets_seed is None else rules.subsets_seed",
        "seed = inputs.seed",
        number("kid"),
    ),
    Mutant(
        "classes split in their order",
        CATALOGUE,
        "order = inputs.shuffle if rules.shuffle is None else rules.shuffle",
        "order = rules.shuffle",
        sampler("test_the_inception_score_of_sorted_classes_is_their_number"),
    ),
    Mutant(
        "logits of another head",
        "metrics/plan.py",
        'rules.logits if spec.features == "logits" else rules.features',
        '"logits" if spec.features == "logits" else rules.features',
        number("is"),
    ),
    Mutant(
        "surfaces are inside",
        CATALOGUE,
        "(k,), strict=strict)",
        "(k,), strict=False)",
        (
            "tests/metrics/test_end_to_end.py::"
            "test_a_surface_is_inside_for_one_tool_and_outside_for_the_other",
        ),
    ),
    Mutant(
        "surfaces of density are inside",
        CATALOGUE,
        "(5,), strict=True)",
        "(5,), strict=False)",
        (
            "tests/metrics/test_end_to_end.py::"
            "test_a_surface_is_inside_for_one_tool_and_outside_for_the_other",
        ),
    ),
    Mutant(
        "one image too few for vendi",
        CATALOGUE,
        "vendi_score(inputs.fake.rows)",
        "vendi_score(inputs.fake.rows[1:])",
        number("vendi"),
    ),
    Mutant(
        "authentic is a copy",
        CATALOGUE,
        '{"authpct": auth_pct',
        '{"authpct": 100 - auth_pct',
        number("authpct"),
    ),
    Mutant(
        "infinity is dropped",
        CATALOGUE,
        '"modes-kl": Score(found.kl, note=note)',
        '**({"modes-kl": Score(found.kl)} if math.isfinite(found.kl) else {})',
        ("tests/metrics/test_end_to_end.py::test_an_infinite_divergence_is_reported",),
    ),
    Mutant(
        "DINOv2 is CLIP",
        CATALOGUE,
        'of_frechet("dinov2", "fd-dinov2")',
        'of_frechet("clip", "fd-dinov2")',
        number("fd-dinov2"),
    ),
    Mutant(
        "CLIP is DINOv2",
        CATALOGUE,
        'of_frechet("clip", "clip-fid")',
        'of_frechet("dinov2", "clip-fid")',
        number("clip-fid"),
    ),
    Mutant(
        "Lite0 is Lite1",
        CATALOGUE,
        'of_frechet("efficientnet-lite0", OWN',
        'of_frechet("efficientnet-lite1", OWN',
        number("fd-efficientnet-lite0"),
    ),
    Mutant(
        "a trained network without weights",
        CATALOGUE,
        'of_frechet("untrained", OWN',
        'of_frechet("efficientnet-lite0", OWN',
        number("fd-untrained"),
    ),
    Mutant(
        "similarity of darker pictures",
        CATALOGUE,
        "mean_over_pairs(ms_ssim, inputs.pixels,",
        "mean_over_pairs(ms_ssim, inputs.pixels // 2,",
        number("ms-ssim"),
    ),
    Mutant(
        "distance to itself",
        CATALOGUE,
        "for images in (a, b)",
        "for images in (a, a)",
        number("lpips-diversity"),
    ),
    Mutant(
        "w-end is w-full",
        CATALOGUE,
        'path_length("w", "end")',
        'path_length("w", "full")',
        number("ppl-w-end"),
    ),
    Mutant(
        "w-full is z-full",
        CATALOGUE,
        'path_length("w", "full")',
        'path_length("z", "full")',
        number("ppl-w-full"),
    ),
    Mutant(
        "z-end is w-end", CATALOGUE, 'path_length("z", "end")', 'path_length("w", "end")', number("ppl-z-end")
    ),
    Mutant(
        "z-full is z-end",
        CATALOGUE,
        'path_length("z", "full")',
        'path_length("z", "end")',
        number("ppl-z-full"),
    ),
    Mutant(
        "moved by one seed",
        OF_GENERATORS,
        '"labels": inputs.labels, "seed": inputs.seed',
        '"labels": inputs.labels, "seed": 0',
        number("eq-t"),
    ),
    Mutant(
        "more movements than asked for",
        OF_GENERATORS,
        'options = {"samples": inputs.count,',
        'options = {"samples": inputs.count + 4,',
        number("eq-t-frac"),
    ),
    Mutant(
        "turned is shifted",
        OF_GENERATORS,
        "errors_of_model(inputs.generator, name,",
        'errors_of_model(inputs.generator, "eq-t",',
        number("eq-r"),
    ),
    Mutant(
        "the first files",
        "metrics/sampler.py",
        "np.sort(rng.choice(total, count, replace=False))",
        "np.arange(count)",
        sampler("test_similarity_of_sorted_reals_is_no_collapse"),
    ),
    Mutant(
        "a part without its shares",
        "metrics/sampler.py",
        "if not self.stratified:",
        "if True:",
        sampler("test_classes_of_a_stratified_part"),
    ),
    Mutant(
        "labels of the first files",
        "metrics/sampler.py",
        "torch.as_tensor(labels)[torch.from_numpy(self.chosen)]",
        "torch.as_tensor(labels)[: len(self.chosen)]",
        sampler("test_parts_are_read_with_their_labels"),
    ),
    Mutant(
        "all reals whatever is asked",
        "metrics/plan.py",
        "reals = num_reals or rules.most_reals.get(request.metric)",
        "reals = rules.most_reals.get(request.metric)",
        sampler("test_only_so_many_reals"),
    ),
    Mutant(
        "no caps",
        "metrics/plan.py",
        "num_reals or rules.most_reals.get(request.metric)",
        "num_reals",
        sampler("test_the_tools_caps_of_reals"),
    ),
    Mutant(
        "parts share a cache",
        "metrics/kept.py",
        'taken = {"part": f"{statistic.limit}-{part}"} if part else {}',
        "taken = {}",
        sampler("test_a_part_is_cached_apart"),
    ),
    Mutant(
        "too few are drawn first",
        "metrics/sets.py",
        "if item.fakes < least_fake:",
        "if False:",
        sampler("test_too_few_is_said_before_an_image_is_read"),
    ),
    Mutant(
        "a run begins with too few",
        "gan/jobs/run_scores.py",
        "items = plan(self.metrics, num_fakes=num_fakes)",
        "items = plan(self.metrics)",
        ("tests/training/test_scores.py::test_too_few_fakes_for_a_score_are_said_before_training",),
    ),
    Mutant(
        "every score is a tool's",
        "metrics/plan.py",
        "return row if metric in row.scores else rules, extractor, head",
        "return row, extractor, head",
        (
            "tests/metrics/test_conventions.py::test_a_tools_score_is_named_by_it_and_any_other_by_its_detector",
        ),
    ),
    Mutant(
        "a changed detector has the old sha256",
        "metrics/networks/detectors.py",
        "hashlib.sha256(_source(self.build))",
        "hashlib.sha256(b'')",
        ("tests/metrics/networks/test_detectors.py::test_another_text_is_another_network",),
    ),
)
