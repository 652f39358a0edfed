"""`gan convert`: a published snapshot -> a checkpoint folder, without executing what the snapshot names."""

from pathlib import Path

import click

from gan.cli.common import debug_option, echo_json

EPILOG = """\b
Examples:
  gan convert network-snapshot-025000.pkl --out ffhq
  gan convert stylegan2.pt --out cats --licence "CC BY-NC 4.0"
  gan sample ffhq --seeds 0-15 --psi 0.7 --out grid.png
"""


@click.command("convert", epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder to make; it may not exist."
)
@click.option("--licence", help="Licence of the weights, for the model card.  [default: named as unknown]")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@debug_option
def command(file: Path, out: Path, licence: str | None, as_json: bool) -> None:
    """Import the networks of FILE, a published snapshot, into a checkpoint folder.

    \b
    Layouts:
      .pkl  StyleGAN2-ADA-PyTorch, StyleGAN3, R3GAN: averaged generator and discriminator
      .pt   the StyleGAN2 layout of the PyTorch community (g_ema, d, latent_avg)

    FILE is read by an interpreter of its own that runs no code of it, see docs/IMPORT.md. What is damaged,
    unsafe or unknown is refused, and nothing is written. The weights keep the licence of their source.
    """
    from gan.models.importing.snapshot import convert

    done = convert(file, out, licence)
    channels, rows, columns = done.image_shape
    if as_json:
        echo_json(
            {
                "folder": str(done.folder),
                "source_sha256": done.sha256,
                "image_shape": done.image_shape,
                "networks": {
                    role: {"type": kind, "entry": entry} for role, (kind, entry) in done.networks.items()
                },
                "notes": done.notes,
            }
        )
        return
    parts = " and ".join(f"{kind} {role} ({entry})" for role, (kind, entry) in done.networks.items())
    click.echo(f"wrote {done.folder}: {parts}, images of {rows} x {columns} with {channels} channels")
    for note in done.notes:
        click.echo(note)
    click.echo(f"next: gan sample {done.folder} --out grid.png")
