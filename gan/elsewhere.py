"""Names of the field: scripts, options, scores and recipes of other tools, and what to type here.

One table for the messages that answer such a name and for the page that lists them. Taken from the tools'
READMEs and help texts.
"""

from typing import NamedTuple

TOOLS = {
    "sg2": "stylegan2-ada-pytorch",
    "sg3": "stylegan3",
    "r3gan": "R3GAN",
    "studio": "StudioGAN",
    "lucid": "stylegan2-pytorch and lightweight-gan of lucidrains",
    "diff": "the training scripts of diffusers",
    "fidelity": "torch-fidelity",
    "tm": "torchmetrics",
    "pf": "pytorch-fid",
    "clean": "clean-fid",
    "prdc": "prdc",
    "dgm": "dgm-eval",
    "edits": "GANSpace, SeFa, InterFaceGAN and DragGAN",
    "other": "other trainers",
}


class Name(NamedTuple):
    """here: what to type, or to do, in place of the name.  tools: whose it is, keys of TOOLS with spaces."""

    here: str
    tools: str


NVIDIA = "sg2 sg3 r3gan"

SCRIPTS = {
    "gen_images": Name("gan sample MODEL --seeds 0-63 --out FOLDER", "sg3 r3gan"),
    "generate": Name("gan sample MODEL --seeds 0-63 --out FOLDER", "sg2 lucid"),
    "gen_video": Name("gan sample MODEL --seeds 0-31 --walks 4x2 --out walk.mp4", "sg3"),
    "style_mixing": Name("gan sample MODEL --mix 85+100,55+821 --layers 0-6 --out mix.png", "sg2"),
    "projector": Name("gan project MODEL PICTURE --space w --out FOLDER", "sg2"),
    "dataset_tool": Name("gan data prepare SRC --out X.zip --resolution R", NVIDIA),
    "calc_metrics": Name("gan evaluate --model MODEL --data X.zip --metrics fid", NVIDIA),
    "visualizer": Name("gan explore MODEL", "sg3"),
    "legacy": Name("gan convert FILE.pkl --out FOLDER", "sg2 sg3"),
    "fidelity": Name("gan evaluate --images A --data B --metrics fid,kid,is --convention tfid", "fidelity"),
    "pytorch_fid": Name("gan evaluate --images A --data B --metrics fid --convention pf", "pf"),
    "compute_fid": Name("gan evaluate --images A --data B --metrics fid --convention clean", "clean"),
    "compute_kid": Name("gan evaluate --images A --data B --metrics kid --convention clean", "clean"),
    "make_custom_stats": Name("gan stats X.zip --metric fid --convention clean --name NAME", "clean"),
    "sefa": Name("gan directions MODEL --method sefa --out FILE.safetensors", "edits studio"),
    "closed_form_factorization": Name("gan directions MODEL --method sefa --out FILE.safetensors", "edits"),
    "visualize": Name("gan directions MODEL --method pca --out FILE.safetensors", "edits"),
    "train_boundary": Name("gan directions MODEL --method supervised --labels FILE.csv --out FILE", "edits"),
    "visualizer_drag": Name("gan explore MODEL, whose panel Drag does it", "edits"),
    "train_unconditional": Name("gan train --data X.zip --preset NAME", "diff"),
    "stylegan2_pytorch": Name("gan train --data X.zip --preset NAME", "lucid"),
    "lightweight_gan": Name("gan train --data X.zip --preset fastgan-256", "lucid"),
}  # by their stem: scripts, commands and functions

OPTIONS = {
    "--gamma": Name("--set loss.r1_gamma=VALUE", NVIDIA),
    "--cfg": Name("--preset NAME", "sg2 sg3"),
    "-cfg": Name("--preset FILE.yaml", "studio"),
    "--config": Name("--preset FILE.yaml", "studio"),
    "--gpus": Name("torchrun --nproc-per-node N --no-python gan train ...", NVIDIA),
    "--multi-gpus": Name("torchrun --nproc-per-node N --no-python gan train ...", "lucid"),
    "-DDP": Name("torchrun --nproc-per-node N --no-python gan train ...", "studio"),
    "--batch-gpu": Name("--micro-batch N", "sg3 r3gan"),
    "--gradient-accumulate-every": Name("--micro-batch N, images at a time of a --batch", "lucid"),
    "--gradient-accumulation-steps": Name("--micro-batch N, images at a time of a --batch", "diff"),
    "--batch-size": Name("--batch N", "lucid fidelity pf"),
    "--train-batch-size": Name("--batch N", "diff"),
    "--outdir": Name("--out FOLDER", NVIDIA),
    "--output-dir": Name("--out FOLDER", "diff"),
    "--results-dir": Name("--out FOLDER", "lucid"),
    "--models-dir": Name("--out FOLDER", "lucid"),
    "-save": Name("--out FOLDER", "studio"),
    "--output": Name("--out FILE", "sg3"),
    "--dataset": Name("--data PATH", "other"),
    "-data": Name("--data PATH", "studio"),
    "--train-data-dir": Name("--data PATH", "diff"),
    "--dataset-name": Name("--data PATH", "diff"),
    "--cond": Name("--set data.conditional=true", NVIDIA),
    "--mirror": Name("--set data.xflip=true", NVIDIA),
    "--random-flip": Name("--set data.xflip=true", "diff"),
    "--subset": Name("gan data subset X.zip --count N --out Y.zip, beforehand", "sg2"),
    "--aug": Name("--set augment.name=ada", NVIDIA),
    "--augpipe": Name("--set augment.policy=bgc", "sg2"),
    "--aug-prob": Name("--set augment.name=diffaugment, which acts on every image", "lucid"),
    "--aug-types": Name("--set augment.name=diffaugment, with all of its types", "lucid"),
    "--p": Name("--set augment.p=VALUE", "sg2 sg3"),
    "--target": Name(
        "--set augment.target=VALUE; of projector.py: the picture, as in gan project MODEL PICTURE", "sg2 sg3"
    ),
    "--freezed": Name("--freeze-d N", "sg2 sg3 studio"),
    "-ckpt": Name("--resume RUN, or --init-from RUN for its weights alone", "studio"),
    "--load-from": Name("--resume RUN/checkpoints/NUMBER", "lucid"),
    "--resume-from-checkpoint": Name("--resume auto", "diff"),
    "--new": Name("nothing: leave it out, each run has a folder of its own", "lucid"),
    "--snap": Name("--set snapshot_ticks=N", NVIDIA),
    "--save-every": Name("--set snapshot_ticks=N", "lucid"),
    "--evaluate-every": Name("--set snapshot_ticks=N", "lucid"),
    "--checkpointing-steps": Name("--set snapshot_ticks=N", "diff"),
    "--tick": Name("--set tick_kimg=N", NVIDIA),
    "--calculate-fid-every": Name("--metrics fid, with --metrics-ticks N", "lucid"),
    "--calculate-fid-num-images": Name("--metrics-fakes N", "lucid"),
    "-metrics": Name("--metrics fid,is", "studio"),
    "--cbase": Name("--set generator.channel_base=N and discriminator.channel_base=N", "sg3 r3gan"),
    "--cmax": Name("--set generator.channel_max=N and discriminator.channel_max=N", "sg3 r3gan"),
    "--network-capacity": Name("--set generator.channel_base=N and discriminator.channel_base=N", "lucid"),
    "--glr": Name("--set optimizer_g.lr=VALUE", "sg3 r3gan"),
    "--dlr": Name("--set optimizer_d.lr=VALUE", "sg3 r3gan"),
    "--lr": Name("--set optimizer_g.lr=VALUE and --set optimizer_d.lr=VALUE", "other"),
    "--learning-rate": Name("--set optimizer_g.lr=VALUE and --set optimizer_d.lr=VALUE", "lucid diff"),
    "--map-depth": Name("--set generator.mapping.layers=N", "sg3"),
    "--mbstd-group": Name("--set discriminator.mbstd_group=N", "sg3"),
    "--mixed-prob": Name("--set loss.style_mixing=VALUE", "lucid"),
    "--workers": Name("--set data.workers=N", NVIDIA),
    "--num-workers": Name("--set data.workers=N", "lucid studio pf"),
    "--dataloader-num-workers": Name("--set data.workers=N", "diff"),
    "--fp32": Name("--precision float32, which is the default", NVIDIA),
    "--fp16": Name("--precision fp16", "lucid"),
    "--amp": Name("--precision fp16", "lucid"),
    "-mpc": Name("--precision fp16", "studio"),
    "--mixed-precision": Name("--precision bf16", "diff"),
    "--nobench": Name("nothing: leave it out", NVIDIA),
    "--nhwc": Name("nothing: leave it out", "sg2"),
    "--verbose": Name("nothing: leave it out", NVIDIA),
    "--desc": Name("--out FOLDER, which names the place", "sg3 r3gan"),
    "--name": Name("--out FOLDER, which names the place", "lucid"),
    "--allow-tf32": Name("--set tf32=true", "sg2"),
    "--network": Name("the model itself, without an option: gan sample MODEL", NVIDIA),
    "--pkl": Name("gan convert FILE.pkl --out FOLDER first", "sg3"),
    "--trunc": Name("--psi VALUE", NVIDIA),
    "--truncation": Name("--psi VALUE", "edits"),
    "--trunc-psi": Name("--psi VALUE", "lucid"),
    "--truncation-factor": Name("--psi VALUE", "studio"),
    "--noise-mode": Name("--noise const|random|none", NVIDIA),
    "--grid": Name("--walks CxR", "sg3"),
    "--num-image-tiles": Name("--columns N", "lucid"),
    "--rows": Name("--mix ROWS,COLUMNS", "sg2"),
    "--cols": Name("--mix ROWS,COLUMNS", "sg2"),
    "--styles": Name("--layers 0-6", "sg2"),
    "--num-steps": Name("--frames-per-seed N; of projector.py: --steps N", "sg2 lucid"),
    "--w-frames": Name("--frames-per-seed N", "sg3"),
    "--interpolation-num-steps": Name("--frames-per-seed N", "lucid"),
    "--generate-interpolation": Name("gan sample MODEL --seeds 0-7 --out walk.gif", "lucid"),
    "--save-video": Name("--video mp4", "sg2"),
    "--steps": Name("--kimg N, in thousands of images", "other"),
    "--num-train-steps": Name("--kimg N, in thousands of images", "lucid"),
    "--max-train-steps": Name("--kimg N, in thousands of images", "diff"),
    "--epochs": Name("--kimg N, in thousands of images", "other"),
    "--num-epochs": Name("--kimg N, in thousands of images", "diff"),
    "--iters": Name("--kimg N, in thousands of images", "other"),
    "--image-size": Name(
        "nothing: leave it out, the size follows from the data; gan data prepare --resolution R sets it",
        "lucid",
    ),
    "--report-to": Name("--wandb offline; TensorBoard is always written", "diff"),
    "--logger": Name("--wandb offline; TensorBoard is always written", "diff"),
    "--use-ema": Name("nothing: leave it out, the average of the weights is always kept", "diff"),
    "--source": Name(
        "the source itself, without an option: gan data prepare SRC --out X.zip --resolution R", NVIDIA
    ),
    "--dest": Name("--out X.zip", NVIDIA),
    "--transform": Name("--crop centre|wide|tall|none", NVIDIA),
    "--resize-filter": Name("--filter lanczos|box", "sg2"),
    "--width": Name("--resolution HEIGHTxWIDTH", "sg2"),
    "--height": Name("--resolution HEIGHTxWIDTH", "sg2"),
    "--max-images": Name("gan data subset X.zip --count N --out Y.zip, afterwards", NVIDIA),
    "--transparent": Name(
        "nothing: leave it out, channels follow from the data; gan data prepare --channels 4 keeps alpha",
        "lucid",
    ),
    "--input1": Name("--images A, or --model MODEL", "fidelity"),
    "--input2": Name("--data B", "fidelity"),
    "--dset1": Name("--images A", "studio"),
    "--dset2": Name("--data B", "studio"),
    "--isc": Name("--metrics is", "fidelity"),
    "--fid": Name("--metrics fid", "fidelity"),
    "--kid": Name("--metrics kid", "fidelity"),
    "--prc": Name("--metrics pr", "fidelity"),
    "--ppl": Name("--metrics ppl-z-end", "fidelity"),
    "--input1-model-num-samples": Name("--num-fakes N", "fidelity"),
    "--save-stats": Name("gan stats X.zip --metric fid --convention pf --out X.npz", "pf"),
    "--dims": Name("--metrics fid, which reads 2,048 features", "pf"),
    "--post-resizer": Name("--convention stu", "studio"),
    "-ref": Name("--data PATH, the set to score against", "studio"),
    "-ifid": Name("--metrics fid-per-class", "studio"),
    "-knn": Name("--report FILE.html of gan evaluate, with the nearest images", "studio"),
    "-std-stat": Name(
        "nothing: leave it out, statistics of batch normalisation are those of training", "studio"
    ),
}

SCORES = {
    "fid50k_full": Name("fid[nv]", NVIDIA),
    "fid50k": Name("fid[nv] with --num-reals 50000", NVIDIA),
    "kid50k_full": Name("kid[nv]", NVIDIA),
    "kid50k": Name("kid[nv] with --num-reals 50000", NVIDIA),
    "is50k": Name("is[nv]", NVIDIA),
    "pr50k3_full": Name("pr[nv]", NVIDIA),
    "pr50k3": Name("pr[nv] with --num-reals 50000", NVIDIA),
    "ppl2_wend": Name("ppl-w-end", "sg2 sg3"),
    "ppl_wend": Name("ppl-w-end", "sg2"),
    "ppl_wfull": Name("ppl-w-full", "sg2"),
    "ppl_zend": Name("ppl-z-end", "sg2"),
    "ppl_zfull": Name("ppl-z-full", "sg2"),
    "eqt50k_int": Name("eq-t", "sg3"),
    "eqt50k_frac": Name("eq-t-frac", "sg3"),
    "eqr50k": Name("eq-r", "sg3"),
    "frechet_inception_distance": Name("fid[tfid]", "fidelity tm"),
    "frechetinceptiondistance": Name("fid[tfid]", "tm"),
    "inception_score": Name("is[tfid]", "fidelity tm"),
    "inception_score_mean": Name("is[tfid]", "fidelity"),
    "inceptionscore": Name("is[tfid]", "tm"),
    "isc": Name("is[tfid]", "fidelity"),
    "kernel_inception_distance": Name("kid[tfid]", "fidelity tm"),
    "kernel_inception_distance_mean": Name("kid[tfid]", "fidelity"),
    "kernelinceptiondistance": Name("kid[tfid]", "tm"),
    "perceptual_path_length": Name("ppl-z-end", "fidelity tm"),
    "perceptual_path_length_mean": Name("ppl-z-end", "fidelity"),
    "prc": Name("pr[tfid]", "fidelity"),
    "fid_score": Name("fid[pf]", "pf"),
    "clean_fid": Name("fid[clean]", "clean"),
    "clean_kid": Name("kid[clean]", "clean"),
    "legacy_tensorflow": Name("fid[ttur]", "clean"),
    "clip_fid": Name("clip-fid", "clean"),
    "precision": Name("pr, which gives precision and recall", "studio prdc dgm"),
    "recall": Name("pr, which gives precision and recall", "studio prdc dgm"),
    "density": Name("dc, which gives density and coverage", "studio prdc dgm"),
    "coverage": Name("dc, which gives density and coverage", "studio prdc dgm"),
    "prdc": Name("pr,dc", "studio prdc dgm"),
    "ifid": Name("fid-per-class", "studio"),
    "fd_dinov2": Name("fd-dinov2", "dgm"),
    "fd-infinity": Name("fid-infinity[dinov2], or of another detector", "dgm"),
    "kd": Name("kid[dinov2], or of another detector", "dgm"),
    "lpips": Name("lpips-diversity", "tm"),
    "ms_ssim": Name("ms-ssim", "studio tm"),
}

PRESETS = {
    "auto": Name("stylegan2-ada-auto", "sg2"),
    "paper256": Name("stylegan2-small", "sg2"),
    "paper512": Name("stylegan2", "sg2"),
    "paper1024": Name("stylegan2", "sg2"),
    "cifar10": Name("r3gan-cifar10", "r3gan"),
    "ffhq-64": Name("r3gan-64", "r3gan"),
    "ffhq-256": Name("r3gan-256", "r3gan"),
}  # values of --cfg and --preset


def _find(table: dict[str, Name], name: str) -> str | None:
    found = table.get(name)
    return found.here if found else None


def script(name: str) -> str | None:
    """What a script, command or function of another tool is here, with or without .py; None: unknown."""
    return _find(SCRIPTS, name.removesuffix(".py").replace("-", "_").lower())


def option(name: str) -> str | None:
    """What an option of another tool is here, or None for an unknown one."""
    return _find(OPTIONS, name if name in OPTIONS else name.replace("_", "-"))


def score(name: str) -> str | None:
    """What a score of another tool is called here, or None for an unknown name."""
    return _find(SCORES, name.strip().lower())


def preset(name: str) -> str | None:
    """Which preset here is nearest to a recipe of another tool, or None for an unknown name."""
    return _find(PRESETS, name.lower())
