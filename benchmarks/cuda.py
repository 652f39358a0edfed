"""What the compiled CUDA kernels ask of a GPU, read from the binary without running it.

python -m benchmarks.cuda
"""

from collections.abc import Iterator
from typing import NamedTuple

import click

from tests.cuda_emulation import build
from tests.cuda_emulation.binary import Accesses, Kernel, accesses, kernel_table

# Warps, registers and bytes of shared memory of a multiprocessor (CUDA C++ Programming Guide).
LIMITS = {"sm_80": (64, 65536, 164 * 1024), "sm_90": (64, 65536, 228 * 1024)}
UPFIRDN, LRELU, L1 = "upfirdn2d.cu", "filtered_lrelu.cu", "L1, then memory"
RESERVED = 1024  # bytes of shared memory that the driver takes per block


class Use(NamedTuple):
    """One kernel of a network's pass. Elements read and written per element of the result.

    outputs: elements of the result that a thread makes in a pass of its longest loop, or at all without one;
    a warp's over 32 where lanes differ. 0: not asked for.
    """

    what: str
    file: str
    kernel: str  # as the kernel table names it
    threads: int  # of a block
    moved: float  # what the kernel asks of the caches or memory
    least: float  # each input read once, each result written once
    bound: str
    outputs: float = 0


def strip_reads(up: int, down: int, taps_down: int) -> float:
    """Inputs that a strip of filtered_lrelu reads, per output: its columns, each row once."""
    width, samples = (128 - taps_down) // down, 31 * 4 // up + 8
    return samples * down / (up * width)


def tile_reads(up: int, down: int, taps_up: int, taps_down: int, width: int, height: int) -> float:
    """Inputs that a tile of filtered_lrelu reads, per output: the tile and its halo."""
    middle_w, middle_h = -(-((width - 1) * down + taps_down) // 4) * 4, (height - 1) * down + taps_down
    return ((middle_w + taps_up - 2) // up + 1) * ((middle_h + taps_up - 2) // up + 1) / (width * height)


USES = (
    Use("bias_act", "bias_act.cu", "bias_act_kernel<float, 4, 0>", 256, 2, 2, "memory"),
    Use("bias_act, gradient", "bias_act.cu", "bias_act_kernel<float, 4, 1>", 256, 3, 3, "memory"),
    Use("scale_bias_act", "scale_bias_act.cu", "scale_bias_act_kernel<float, 4, 0>", 256, 2, 2, "memory"),
    Use(
        "scale_bias_act, gradient",
        "scale_bias_act.cu",
        "scale_bias_act_kernel<float, 1, 1>",
        256,
        3,
        3,
        "memory",
    ),
    Use(
        "the same, channels_last",
        "scale_bias_act.cu",
        "scale_bias_act_kernel<float, 1, 2>",
        256,
        3,
        3,
        "memory",
    ),
    Use("gradient of noise", "scale_bias_act.cu", "scale_bias_act_kernel<float, 1, 3>", 256, 2, 0, "memory"),
    Use("upsample2d 4x4", UPFIRDN, "channels_kernel<float, 2, 1>", 256, 3, 1.25, L1, 16),
    Use("downsample2d 4x4", UPFIRDN, "channels_kernel<float, 1, 2>", 256, 11, 5, L1, 16),
    Use("filter2d 4x4", UPFIRDN, "channels_kernel<float, 1, 1>", 256, 8, 2, L1, 16),
    Use("upsample2d 4x4, NCHW", UPFIRDN, "patches_kernel<float, 2, 1, true>", 256, 1.75, 1.25, "memory", 32),
    Use("downsample2d 4x4, NCHW", UPFIRDN, "patches_kernel<float, 1, 2, true>", 256, 10, 5, "memory", 8),
    Use("filter2d 4x4, NCHW", UPFIRDN, "patches_kernel<float, 1, 1, true>", 256, 4.4375, 2, "memory", 16),
    Use(
        "filtered_lrelu up 2, down 2",
        LRELU,
        "strip_kernel<float, Strip<2, 2, 12, 12> >",
        128,
        1 + strip_reads(2, 2, 12),
        2,
        "arithmetic",
        4 * 58 / 32,
    ),
    Use(
        "filtered_lrelu up 4, down 2",
        LRELU,
        "strip_kernel<float, Strip<4, 2, 24, 12> >",
        128,
        1 + strip_reads(4, 2, 12),
        1.25,
        "arithmetic",
        4 * 58 / 32,
    ),
    Use(
        "filtered_lrelu up 2, down 4",
        LRELU,
        "strip_kernel<float, Strip<2, 4, 12, 24> >",
        128,
        1 + strip_reads(2, 4, 24),
        5,
        "arithmetic",
        2 * 26 / 32,
    ),
    Use(
        "filtered_lrelu, radial",
        LRELU,
        "tile_kernel<float, Tile<2, 2, 12, 12, false, true, 32, 16> >",
        256,
        1 + tile_reads(2, 2, 12, 12, 32, 16),
        2,
        "arithmetic and shared memory",
    ),
    Use("grid_sample", "grid_sample.cu", "grid_sample_kernel<float, 4, true, false>", 256, 5, 2, "L1, L2"),
    Use("spectral_norm, W v", "spectral_norm.cu", "rows_kernel<float, 4, float>", 256, 2, 1, "memory"),
    Use("spectral_norm, W^T u", "spectral_norm.cu", "columns_kernel<float>", 512, 1, 1, "memory"),
)


def occupancy(kernel: Kernel, threads: int) -> float:
    """Warps that fit a multiprocessor at once, over its limit: by registers, shared memory and warps."""
    warps, registers, shared = LIMITS[kernel.architecture]
    per_block = threads // 32
    per_warp = -(-kernel.registers * 32 // 256) * 256  # registers come in portions of 256
    blocks = min(
        warps // per_block, registers // (per_warp * per_block), shared // (kernel.shared + RESERVED)
    )
    return blocks * per_block / warps


def instructions(use: Use, found: Accesses) -> str:
    """That a thread executes at most per element of the result."""
    return f"{found.instructions / use.outputs:.0f}"


def rows() -> Iterator[str]:
    """Lines of the table."""
    found = {(k.file, k.name, k.architecture): k for k in kernel_table()}
    counted = {file: accesses(build.SOURCES / file) for file in {use.file for use in USES if use.outputs}}
    heads = ("Kernel, float32", "Registers", "Shared memory", "Occupancy")
    heads += ("Moved", "Least", "Instructions", "Bound")
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for use in USES:
        kernels = [found[use.file, use.kernel, architecture] for architecture in LIMITS]
        registers = " / ".join(str(kernel.registers) for kernel in kernels)
        busy = " / ".join(f"{occupancy(kernel, use.threads):.0%}" for kernel in kernels)
        shared = f"{kernels[0].shared / 1024:.1f} KiB" if kernels[0].shared else "none"
        work = [instructions(use, counted[use.file][use.kernel, at]) for at in LIMITS] if use.outputs else []
        numbers = (f"{use.moved:.2f}", f"{use.least:.2f}", " / ".join(work))
        yield f"| {' | '.join((use.what, registers, shared, busy, *numbers, use.bound))} |"


@click.command(epilog="Example: python -m benchmarks.cuda")
def main() -> None:
    """Compile the CUDA kernels (nvcc, no GPU needed); print registers, shared memory, occupancy and traffic.

    Moved and least: float32 elements read and written per element of the result, by the kernel and at least.
    Instructions: of a thread per element, counted in the code with all its branches.
    """
    for row in rows():
        click.echo(row)


if __name__ == "__main__":
    main()
