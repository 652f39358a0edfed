"""Mistakes in what networks are shown: data sets, their order, augmentation."""

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "p rises below the target",
        "training/augment/adaptive.py",
        "(mean_sign > target) - (mean_sign < target)",
        "(mean_sign < target) - (mean_sign > target)",
        ("tests/training/augment/test_adaptive.py::test_step[0.0-0.7-0.000256]",),
    ),
    Mutant(
        "limit of p",
        "training/augment/adaptive.py",
        "limit=config.max",
        "limit=1.0",
        ("tests/training/test_settings.py::test_a_setting_has_its_effect[augment.max]",),
    ),
    Mutant(
        "sign of one process",
        "training/augment/adaptive.py",
        "self.signs += distributed.summed(self._seen)",
        "self.signs += self._seen",
        ("tests/training/test_conditional.py::test_labels_in_two_processes",),
    ),
    Mutant(
        "policy without effect",
        "training/augment/pipe.py",
        "self.transforms, self.strengths = config.transforms, config.strengths",
        "self.transforms, self.strengths = AugmentConfig().transforms, config.strengths",
        ("tests/training/test_settings.py::test_a_setting_has_its_effect[augment.policy]",),
    ),
    Mutant(
        "strengths without effect",
        "training/augment/pipe.py",
        "parameters(drawn, self.strengths, images, draws)",
        "parameters(drawn, StrengthConfig(), images, draws)",
        ("tests/training/test_settings.py::test_a_setting_has_its_effect",),
    ),
    Mutant(
        "labels of a shuffled set",
        "training/data/sampler.py",
        "self.dataset.conditions(numbers)",
        "self.dataset.conditions(positions)",
        ("tests/training/data/test_sampler.py::test_batches_follow_the_order",),
    ),
    Mutant(
        "flips of image numbers",
        "training/data/sampler.py",
        "flip_at(position, length, self.seed) for position in positions",
        "flip_at(number, length, self.seed) for number in numbers",
        ("tests/training/data/test_sampler.py::test_xflip_mirrors_exactly_the_flipped_positions",),
    ),
    Mutant(
        "every process its block",
        "training/data/sampler.py",
        "range(first + self.rank, first + self.batch_size, self.world)",
        "range(first + self.rank, first + self.rank + self.batch_size // self.world)",
        ("tests/training/data/test_sampler.py::test_ranks_together_draw_the_batch_of_one_process[2]",),
    ),
    Mutant(
        "vectors where labels are asked for",
        "training/data/images.py",
        'condition in ("any", "labels") else None',
        "True else None",
        ("tests/training/data/test_archive.py::test_labels_classes_and_manifest[zip]",),
    ),
    Mutant(
        "layout of arrays",
        "training/data/mapstyle.py",
        "array if planes_first else array.transpose(2, 0, 1)",
        "array if planes_first else array.transpose(2, 1, 0)",
        ("tests/training/data/test_mapstyle.py::test_images_of_every_kind",),
    ),
)
