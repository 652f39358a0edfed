"""Mistakes in projection, pivotal tuning, and what `gan project` makes of them."""

from tests.mutants.planting import Mutant

SEARCH = "tests/gan/latents/test_projection.py"
TUNING = "tests/gan/latents/test_pivotal.py"
JOB = "tests/gan/jobs/test_projecting.py"

MUTANTS = (
    Mutant(
        "maps are not kept white",
        "gan/latents/projection.py",
        "objective + self.settings.whiteness * white_noise.correlation(self._fitted[1:])",
        "objective + 0 * white_noise.correlation(self._fitted[1:])",
        (f"{SEARCH}::test_fitted_noise_stays_white",),
    ),
    Mutant(
        "halvings lose their variance",
        "gan/latents/white_noise.py",
        "F.avg_pool2d(map_, 2) * 2",
        "F.avg_pool2d(map_, 2)",
        ("tests/gan/latents/test_white_noise.py::test_whiteness_in_closed_form",),
    ),
    Mutant(
        "w plus is w",
        "gan/latents/projection.py",
        'wide = settings.space == "w+"',
        "wide = False",
        (f"{SEARCH}::test_w_has_one_latent_and_w_plus_one_for_each_layer",),
    ),
    Mutant(
        "a state without L-BFGS",
        "gan/latents/projection.py",
        "self._lbfgs.restore(kept)",
        "pass",
        (f"{SEARCH}::test_a_state_goes_on_bit_for_bit[9-const]",),
    ),
    Mutant(
        "white beyond white is an error",
        "gan/latents/targets.py",
        "return torch.where(beyond, wanted, images)",
        "return images",
        (f"{SEARCH}::test_white_beyond_white_is_no_error",),
    ),
    Mutant(
        "steps of L-BFGS that do not fall",
        "gan/latents/lbfgs.py",
        'fell = value <= now["value"] + ENOUGH * now["length"] * slope',
        "fell = value <= torch.inf * value.abs().clamp_min(1)",
        ("tests/gan/latents/test_lbfgs.py::test_a_step_too_far_is_shortened_and_the_best_stays",),
    ),
    Mutant(
        "the generator that is given is tuned",
        "gan/latents/pivotal.py",
        "copy.deepcopy(generator).eval()",
        "generator.eval()",
        (f"{TUNING}::test_the_images_come_near_and_the_generator_given_stays[stylegan2]",),
    ),
    Mutant(
        "locality of the pivots",
        "gan/latents/pivotal.py",
        "torch.lerp(pivots, other, self.settings.reach)",
        "torch.lerp(pivots, other, 0.0)",
        (f"{TUNING}::test_what_is_kept_lies_on_the_way_to_a_random_latent",),
    ),
    Mutant(
        "latents of a tuned model are of the first",
        "gan/jobs/projecting.py",
        "write_latents(files[i], tensors, digest)",
        "write_latents(files[i], tensors, ready.model_sha256)",
        (f"{JOB}::test_a_tuned_model_is_a_model",),
    ),
    Mutant(
        "what was begun begins again",
        "gan/jobs/projecting.py",
        "        work.restore(state)\n",
        "",
        (f"{JOB}::test_what_was_ended_goes_on_where_it_was[w-3-16]",),
    ),
    Mutant(
        "other work is overwritten",
        "gan/jobs/projection_files.py",
        "if given.get(key) != request[key]",
        "if key not in request",
        (f"{JOB}::test_a_folder_of_other_work_is_left_alone",),
    ),
    Mutant(
        "latents of any model are a start",
        "gan/jobs/projecting.py",
        'if name is None or about.get("model_sha256") != model_sha256:',
        "if name is None:",
        (f"{JOB}::test_latents_to_start_from_are_those_of_the_model",),
    ),
    Mutant(
        "pictures out of proportion",
        "gan/jobs/pictures.py",
        'if apart and crop == "none":',
        "if False:",
        ("tests/gan/jobs/test_pictures.py::test_proportions_are_kept_or_the_middle_is_taken",),
    ),
    Mutant(
        "features of the data are not kept",
        "gan/jobs/neighbours.py",
        "    kept.store(key, found)\n",
        "",
        ("tests/gan/jobs/test_neighbours.py::test_a_copy_finds_its_original_and_the_set_is_measured_once",),
    ),
    Mutant(
        "large pictures are seen at full size",
        "gan/jobs/distances.py",
        "return F.avg_pool2d(shown, factor) if factor > 1 else shown",
        "return shown",
        ("tests/gan/jobs/test_distances.py::test_what_networks_see",),
    ),
    Mutant(
        "faces are not framed",
        "gan/jobs/pictures.py",
        'frame = _around_face(pixels, form, name) if crop == "face" else None',
        "frame = None",
        ("tests/gan/jobs/test_pictures.py::test_a_crop_around_a_face_is_that_of_the_preparation_of_data",),
    ),
)
