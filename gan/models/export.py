"""Trained generators as files that other programs run: ONNX, and torch.export's own archive (.pt2).

The traced function is `image = f(z, c, psi, noise...)` for any batch size: c only for a conditional model,
psi only for one with a style space, noise only where it is asked for as an input. What is written computes in
plain PyTorch or standard ONNX operators; it is run and compared with the model before the file appears.

Letters: N images, K classes, L style layers, D latent size.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gan.errors import UsageError, UserError, install
from gan.files import atomic_write, sha256
from gan.latents import z_from_seeds
from gan.networks.reparametrize import merged
from gan.sampling import choices, chosen, has_styles, labels_from_seeds
from ops.library import plain

Noise = Literal["const", "none", "input"]
Run = Callable[[Sequence[Tensor]], Tensor]  # a written program: inputs in order -> images

TOLERANCE = 1e-4  # largest difference of a pixel, of images in about [-1, 1]
SUFFIXES = {"onnx": ".onnx", "torch-export": ".pt2"}
PSI = (1.0, 0.5)  # truncations at which a program is compared with its model
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How far a written program is from its model: over all pixels, seeds, truncations and batch sizes.

    largest_pixel: magnitude of the largest pixel compared, to judge the difference by.  runtime: what ran it.
    """

    max_abs_error: float
    tolerance: float
    largest_pixel: float
    seeds: list[int]
    psi: list[float]
    batches: list[int]
    runtime: str


class Function(nn.Module):
    """A generator as a function of tensors alone, `forward(z, c, psi, *noise)` without what it does not have.

    noise: const (the trained maps), none, or input (one map [N, 1, rows, columns] per layer, standard normal;
    the trained strengths scale it). Raises UsageError for noise on a model that has none.
    """

    def __init__(self, generator: nn.Module, noise: Noise = "const"):
        super().__init__()
        self.generator, self.noise = generator, noise
        self.styles, self.conditional = has_styles(generator), generator.c_dim > 0
        maps = {name: b.shape for name, b in generator.named_buffers() if name.endswith(".noise_const")}
        if noise == "input" and not maps:
            raise UsageError("this model has no noise; leave --noise out")
        if noise != "const" and maps and not self.styles:
            raise UsageError("a model without a style space has its noise as trained; leave --noise out")
        self.maps = maps if noise == "input" else {}

    def names(self) -> list[str]:
        """Names of the inputs in order; a noise map is `noise.` and its layer."""
        layers = (name.removeprefix("synthesis.").removesuffix(".noise_const") for name in self.maps)
        optional = ["c"] * self.conditional + ["psi"] * self.styles
        return ["z", *optional, *(f"noise.{layer}" for layer in layers)]

    def inputs(self, seeds: Sequence[int], psi: float = 1.0) -> list[Tensor]:
        """Inputs for these seeds, with the classes and the noise that follow from them; psi is []."""
        found = [z_from_seeds(seeds, self.generator.z_dim)]
        if self.conditional:
            found.append(chosen(self.generator, labels_from_seeds(seeds, choices(self.generator))))
        if self.styles:
            found.append(torch.tensor(psi))
        drawn = torch.Generator().manual_seed(seeds[0])
        return found + [torch.randn(len(seeds), 1, *shape, generator=drawn) for shape in self.maps.values()]

    def forward(self, *inputs: Tensor) -> Tensor:
        z, c, psi, maps = self._split(inputs)
        if not self.styles:
            return self.generator(z, c)
        mapping = self.generator.mapping
        w = mapping.w_avg + psi * (mapping.w(z, c) - mapping.w_avg)
        return self._render(w[:, None].repeat(1, self.generator.num_ws, 1), maps)

    def expected(self, inputs: Sequence[Tensor], psi: float) -> Tensor:
        """The model's own images for these inputs, as `gan sample` computes them."""
        z, c, _, maps = self._split(inputs)
        with torch.inference_mode():
            return (
                self._render(self.generator.mapping(z, c, psi), maps) if self.styles else self.generator(z, c)
            )

    def _render(self, ws: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """ws [N, L, D] -> images; noise maps stand in for the trained ones."""
        names = (name.removeprefix("synthesis.") for name in self.maps)
        given = dict(zip(names, maps, strict=True))
        noise = "none" if self.noise == "none" else "const"
        return torch.func.functional_call(self.generator.synthesis, given, (ws,), {"noise": noise})

    def _split(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor | None, Tensor | None, list[Tensor]]:
        z, *rest = inputs
        c = rest.pop(0) if self.conditional else None
        return z, c, rest.pop(0) if self.styles else None, rest


def export(
    generator: nn.Module,
    path: str | Path,
    *,
    format: Literal["onnx", "torch-export"],
    noise: Noise = "const",
    seeds: Sequence[int] = (0, 1, 2, 3),
    notes: str = "",
) -> dict[str, Any]:
    """Write the generator to `path`, once its images there equal the model's, and return what was written.

    generator: on the CPU, in eval mode; adapters are merged into the weights.
    seeds: of the images compared.  notes: text kept inside the file.

    Returns: file, format, sha256, noise, inputs (name -> shape, "batch" where open), output, opset (ONNX) and
    parity, a `Parity` as a dict; JSON data.

    Raises UsageError for a suffix that does not fit the format or noise on a model without it, and UserError
    where packages are missing, or where the images differ by more than TOLERANCE (nothing is then written).
    """
    path = Path(path)
    if path.suffix != SUFFIXES[format]:
        raise UsageError(f"--out {path}: a file of format {format} ends in {SUFFIXES[format]}")
    if format == "onnx":
        require_onnx()
    function, traced = (Function(network, noise).eval() for network in (generator, merged(generator)))
    with atomic_write(path) as temporary:
        write, read = (_write_onnx, _read_onnx) if format == "onnx" else (_write_program, _read_program)
        with plain(), torch.no_grad():
            about = write(traced, temporary, notes)
        parity = compare(function, *read(temporary), seeds)
        if not parity.max_abs_error <= TOLERANCE:  # NaN as well
            raise UserError(
                f"the exported {path.name} differs from its model by {parity.max_abs_error:.2g} in pixels of "
                f"up to {parity.largest_pixel:.2g} (limit {TOLERANCE:g}); it was not written"
            )
    return {
        "file": str(path),
        "format": format,
        "sha256": sha256(path),
        "noise": noise,
        "inputs": _shapes(function),
        "output": ["batch", *function.expected(function.inputs([0]), 1.0).shape[1:]],
        **about,
        "parity": asdict(parity),
    }


def compare(function: Function, run: Run, runtime: str, seeds: Sequence[int]) -> Parity:
    """Difference of a program's images from the model's, for all seeds together and for the first alone."""
    error = largest = 0.0
    psis = list(PSI) if function.styles else PSI[:1]
    batches = sorted({1, len(seeds)})
    for psi in psis:
        for count in batches:
            inputs = function.inputs(seeds[:count], psi)
            want = function.expected(inputs, psi)
            error = max(error, (run(inputs) - want).abs().max().item(), key=_worst)
            largest = max(largest, want.abs().max().item())
    return Parity(
        max_abs_error=error,
        tolerance=TOLERANCE,
        largest_pixel=largest,
        seeds=list(seeds),
        psi=list(psis),
        batches=batches,
        runtime=runtime,
    )


def require_onnx() -> None:
    """UserError naming the packages that ONNX needs and this installation lacks."""
    if missing := [name for name in ONNX_PACKAGES if find_spec(name) is None]:
        listed = f"package{'s' * (len(missing) > 1)} {', '.join(missing)}"
        raise UserError(f"ONNX needs the {listed}; {install('export')}")


def _worst(value: float) -> float:
    """Sort key by which a NaN is larger than any number."""
    return float("inf") if value != value else value


def _shapes(function: Function) -> dict[str, list[int | str]]:
    tensors = function.inputs([0])
    shapes = (["batch", *t.shape[1:]] if t.ndim else [] for t in tensors)
    return dict(zip(function.names(), shapes, strict=True))


def _dynamic(function: Function) -> tuple:
    """The batch axis of every input but psi is open."""
    batch = torch.export.Dim("batch", min=1)
    return (tuple({0: batch} if t.ndim else None for t in function.inputs([0, 1])),)


def _write_program(function: Function, path: Path, notes: str) -> dict[str, Any]:
    inputs = tuple(function.inputs([0, 1]))
    program = torch.export.export(function, inputs, dynamic_shapes=_dynamic(function))
    torch.export.save(program, path, extra_files={"card.md": notes})
    return {}


def _read_program(path: Path) -> tuple[Run, str]:
    program = torch.export.load(path).module()
    return lambda inputs: program(*inputs), f"torch {torch.__version__}"


def _write_onnx(function: Function, path: Path, notes: str) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "# The axis name", UserWarning)  # it names the shared axis once
        program = torch.onnx.export(
            function,
            tuple(function.inputs([0, 1])),
            dynamo=True,
            verbose=False,
            external_data=False,
            dynamic_shapes=_dynamic(function),
            input_names=function.names(),
            output_names=["image"],
        )
    program.model.metadata_props["card"] = notes
    program.save(path)
    return {"opset": program.model.opset_imports[""]}


def _read_onnx(path: Path) -> tuple[Run, str]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]

    def run(inputs: Sequence[Tensor]) -> Tensor:
        feed = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, feed)[0])

    return run, f"onnxruntime {metadata.version('onnxruntime')}"
