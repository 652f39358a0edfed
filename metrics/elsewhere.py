"""Names that other tools have for scores, and what to type here."""

NVIDIA = "--convention nv"  # the default: 50,000 fakes, all reals
NAMES = {
    "fid50k_full": f"fid ({NVIDIA})",
    "fid50k": f"fid ({NVIDIA} --num-reals 50000)",
    "kid50k_full": f"kid ({NVIDIA})",
    "kid50k": f"kid ({NVIDIA} --num-reals 50000)",
    "is50k": f"is ({NVIDIA})",
    "pr50k3_full": f"pr ({NVIDIA})",
    "pr50k3": f"pr ({NVIDIA} --num-reals 50000)",
    "ppl2_wend": "ppl-w-end",
    "ppl_wend": "ppl-w-end",
    "ppl_wfull": "ppl-w-full",
    "ppl_zend": "ppl-z-end",
    "ppl_zfull": "ppl-z-full",
    "eqt50k_int": "eq-t",
    "eqt50k_frac": "eq-t-frac",
    "eqr50k": "eq-r",
    "frechet_inception_distance": "fid (--convention tfid)",
    "inception_score": "is",
    "inception_score_mean": "is",
    "kernel_inception_distance": "kid",
    "kernel_inception_distance_mean": "kid",
    "isc": "is",
    "prc": "pr",
    "precision": "pr, which gives precision and recall",
    "recall": "pr, which gives precision and recall",
    "density": "dc, which gives density and coverage",
    "coverage": "dc, which gives density and coverage",
    "prdc": "pr,dc",
    "fd_dinov2": "fd-dinov2",
    "fd-infinity": "fid-infinity[dinov2], or of another detector",
    "kd": "kid[dinov2], or of another detector",
    "lpips": "lpips-diversity",
}  # of StyleGAN's, torch-fidelity, torchmetrics, StudioGAN, prdc and dgm-eval


def here(name: str) -> str | None:
    """What a score of another tool is called here, or None for an unknown name."""
    return NAMES.get(name.lower())
