"""Options and commands that other code bases have, and what to type here."""

OPTIONS = {
    "--gamma": "--set loss.r1_gamma=VALUE",
    "--cfg": "--preset NAME",
    "--config": "--preset FILE.yaml",
    "--gpus": "torchrun --nproc-per-node N --no-python gan train ...",
    "--batch-gpu": "--micro-batch N",
    "--outdir": "--out FOLDER",
    "--dataset": "--data PATH",
    "--cond": "--set data.conditional=true",
    "--mirror": "--set data.xflip=true",
    "--aug": "--set augment.name=ada",
    "--augpipe": "--set augment.policy=bgc",
    "--target": "--set augment.target=VALUE",
    "--freezed": "--freeze-d N",
    "--snap": "--set snapshot_ticks=N",
    "--tick": "--set tick_kimg=N",
    "--cbase": "--set generator.channel_base=N and discriminator.channel_base=N",
    "--cmax": "--set generator.channel_max=N and discriminator.channel_max=N",
    "--glr": "--set optimizer_g.lr=VALUE",
    "--dlr": "--set optimizer_d.lr=VALUE",
    "--lr": "--set optimizer_g.lr=VALUE and --set optimizer_d.lr=VALUE",
    "--map-depth": "--set generator.mapping.layers=N",
    "--mbstd-group": "--set discriminator.mbstd_group=N",
    "--workers": "--set data.workers=N",
    "--fp32": "--precision float32, which is the default",
    "--fp16": "--precision fp16",
    "--nobench": "nothing: leave it out",
    "--allow-tf32": "--set tf32=true",
    "--network": "the model itself, without an option: gan sample MODEL",
    "--pkl": "gan convert FILE.pkl --out FOLDER first",
    "--trunc": "--psi VALUE",
    "--truncation": "--psi VALUE",
    "--noise-mode": "--noise const|random|none",
    "--num-steps": "--frames-per-seed N",
    "--w-frames": "--frames-per-seed N",
    "--steps": "--kimg N, in thousands of images",
    "--epochs": "--kimg N, in thousands of images",
    "--iters": "--kimg N, in thousands of images",
}  # of StyleGAN2-ADA's, StyleGAN3's and other trainers


def here(option: str) -> str | None:
    """What an option of another tool is here, or None for an unknown one."""
    return OPTIONS.get(option.replace("_", "-"))
