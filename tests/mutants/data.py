"""Mistakes in what networks are shown: data sets, their order, augmentation."""

from tests.mutants.planting import Mutant

MUTANTS = (
    Mutant(
        "a wrong checksum of pixels ends training",
        "training/data/rows.py",
        "except zlib.error:",
        "except EOFError:",
        ("tests/training/data/test_rows.py::test_a_wrong_checksum_behind_the_last_row",),
    ),
    Mutant(
        "shards without the names of their classes",
        "training/data/archive.py",
        'index, where = {"classes": index.get("classes"), **self._labels_beside()}, "its metadata"',
        'index, where = self._labels_beside(), "its metadata"',
        ("tests/training/data/test_shards.py::test_what_lies_beside_shards_that_were_made_here",),
    ),
    Mutant(
        "vectors of shards in the order of their tars",
        "training/data/archive.py",
        "return vectors[rows(self.names)] if isinstance(self._files, ShardFiles) else vectors",
        "return vectors",
        ("tests/training/data/test_shards.py::test_what_lies_beside_shards_that_were_made_here",),
    ),
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
        "copied when it is asked for",
        "training/data/ahead.py",
        "this, following = following, started()\n"
        "        yield this if isinstance(this, DataError) else (this[0](), this[1])\n",
        "this = following\n"
        "        yield this if isinstance(this, DataError) else (this[0](), this[1])\n"
        "        following = started()\n",
        ("tests/training/data/test_ahead.py::test_each_copy_begins_before_the_batch_before_it_is_given",),
    ),
    Mutant(
        "cores of a machine for each of its processes",
        "training/data/ahead.py",
        "processors.count() // ranks - 1",
        "processors.count() - 1",
        ("tests/training/data/test_ahead.py::test_as_many_as_cores_ranks_and_pixels_ask_for",),
    ),
    Mutant(
        "batches are not pinned",
        "training/data/sampler.py",
        "pin_memory=pin,",
        "pin_memory=False,",
        ("tests/training/data/test_ahead.py::test_for_a_gpu_batches_are_pinned_and_copied_ahead",),
    ),
    Mutant(
        "a listing of a set that has changed",
        "training/data/listing.py",
        'or (folder / "key").read_text() != _key(state)',
        "",
        ("tests/training/data/test_listing.py::test_one_that_changed_is_read_again",),
    ),
    Mutant(
        "sizes of zip64 in another order",
        "training/data/directory.py",
        "for column in (2, 1, 0) if rows",
        "for column in (0, 1, 2) if rows",
        ("tests/training/data/test_directory.py::test_beyond_the_limits_of_the_first_format",),
    ),
    Mutant(
        "every process looks through the folder",
        "training/data/images.py",
        "if distributed.world() == 1 or not isinstance(data, str | Path):",
        "if True:",
        ("tests/training/data/test_together.py::test_a_folder_is_looked_through_once",),
    ),
    Mutant(
        "classes of a tar by place",
        "training/data/shards.py",
        "found[sample(name)] = int(files.read(number))",
        "found[sample(names[len(found)])] = int(files.read(number))",
        ("tests/training/data/test_shards.py::test_shards_of_a_folder",),
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
