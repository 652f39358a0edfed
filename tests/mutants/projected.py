"""Mistakes in what a discriminator sees through a frozen network, and in FastGAN's generator."""

from tests.mutants.planting import Mutant

NETWORK = "tests/gan/networks/test_projected.py::test_"
TRAINING = "tests/training/test_projected.py::test_"
FASTGAN = "tests/gan/networks/test_fastgan.py::test_"
MUTANTS = (
    Mutant(
        "scales are not mixed",
        "gan/networks/projected.py",
        "y = y + F.interpolate(found[0]",
        "y = y + 0 * F.interpolate(found[0]",
        (f"{NETWORK}mixing_by_hand",),
    ),
    Mutant(
        "scales have the spread that they have",
        "gan/networks/projected.py",
        "getattr(self, name).div_(spread)",
        "pass",
        (f"{NETWORK}every_step_of_the_mixing_has_unit_spread",),
    ),
    Mutant(
        "a logit of one head",
        "gan/networks/projected.py",
        "strict=True)]).sum(dim=0)",
        "strict=True)])[0]",
        (f"{NETWORK}the_logit_is_the_sum_over_scales_of_the_mean_over_places",),
    ),
    Mutant(
        "heads without labels",
        "gan/networks/projected.py",
        "return logits + (x * self.embed(c)",
        "return logits + 0 * (x * self.embed(c)",
        (f"{NETWORK}a_head_by_hand",),
    ),
    Mutant(
        "the feature network is saved",
        "gan/networks/projected.py",
        "self._network = (network,)",
        "self._network, self.saved = (network,), network",
        (f"{NETWORK}the_feature_network_is_no_part_of_the_module",),
    ),
    Mutant(
        "the feature network stays where it was",
        "gan/networks/projected.py",
        "network._apply(fn, recurse)",
        "pass",
        (f"{NETWORK}the_feature_network_is_no_part_of_the_module",),
    ),
    Mutant(
        "the feature network in float32 always",
        "gan/networks/projected.py",
        "enabled=half):",
        "enabled=False):",
        (f"{NETWORK}half_types_stay_close",),
    ),
    Mutant(
        "any file of weights will do",
        "gan/networks/features.py",
        "if digest and found != digest:",
        "if False:",
        (f"{NETWORK}a_config_gets_the_digest_of_its_file_and_keeps_to_it",),
    ),
    Mutant(
        "the feature network trains",
        "gan/networks/features.py",
        ".build(path).eval().requires_grad_(False), found",
        ".build(path).eval(), found",
        (f"{NETWORK}the_feature_network_is_no_part_of_the_module",),
    ),
    Mutant(
        "digest not recorded",
        "training/recipes.py",
        "discriminator=discriminator.completed())",
        "discriminator=discriminator)",
        (f"{TRAINING}what_a_run_writes",),
    ),
    Mutant(
        "slopes at features without effect",
        "training/objectives.py",
        "both=config.r2, features=features)",
        "both=config.r2)",
        (f"{TRAINING}the_penalty_and_its_gradient_by_finite_differences",),
    ),
    Mutant(
        "slopes of one scale",
        "training/losses/penalties.py",
        "for slope in slopes(features, logits, scale))",
        "for slope in slopes(features, logits, scale)[:1])",
        (f"{TRAINING}the_penalty_and_its_gradient_by_finite_differences",),
    ),
    Mutant(
        "reals and fakes exchanged at features",
        "training/context.py",
        "return (rows[1::2], rows[0::2]) if",
        "return (rows[0::2], rows[1::2]) if",
        (f"{TRAINING}slopes_at_fakes_are_those_of_fakes",),
    ),
    Mutant(
        "features of images as they are",
        "training/context.py",
        "self.discriminator.mixed(seen(self.state, images, self.draws.apart()))",
        "self.discriminator.mixed(images)",
        (f"{TRAINING}slopes_at_features_are_those_of_what_d_sees",),
    ),
    Mutant(
        "noise as trained in every step",
        "training/context.py",
        "fake = self.generator(self.z, self.c_fake, noise=self.draws.apart())",
        "fake = self.generator(self.z, self.c_fake)",
        (f"{TRAINING}a_generator_without_styles_gets_the_noise_of_its_samples",),
    ),
    Mutant(
        "licence left out of the card",
        "gan/models/card.py",
        "{features.licence(name)}",
        "unknown",
        (f"{TRAINING}what_a_run_writes",),
    ),
    Mutant(
        "no excitation",
        "gan/networks/fastgan.py",
        "x = x * gates.to(x.dtype)",
        "x = x + 0 * gates.to(x.dtype)",
        (f"{FASTGAN}the_coarse_map_gates_the_fine_one",),
    ),
    Mutant(
        "halves of the gated unit exchanged",
        "gan/networks/fastgan.py",
        "return F.glu(self.norm(x), dim=1)",
        "return F.glu(self.norm(x).flip(1), dim=1)",
        (f"{FASTGAN}a_level_by_hand",),
    ),
    Mutant(
        "kernels padded at the wrong end",
        "gan/networks/efficientnet_lite.py",
        "(across, 0, down, 0)",
        "(0, across, 0, down)",
        ("tests/gan/networks/test_efficientnet_lite.py::test_same_padding_by_its_definition",),
    ),
    Mutant(
        "images beyond their range",
        "gan/networks/stylegan2.py",
        "img.clamp(-1, 1).lerp(img, SQUEEZE)",
        "img.clamp(-1, 1).lerp(img, 1)",
        (
            "tests/gan/networks/test_stylegan2.py::test_a_squeezed_output_leaves_the_range_of_images_by_a_tenth",
        ),
    ),
    Mutant(
        "heads without the spread of their group",
        "gan/networks/projected.py",
        "minibatch_std(x, self.group, 1)",
        "minibatch_std(x, 1, 1)",
        (f"{NETWORK}a_head_sees_the_spread_of_its_group_by_hand",),
    ),
)
