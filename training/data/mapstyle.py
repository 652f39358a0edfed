"""A map-style data set, such as torchvision's, a table of `datasets`, or an array: read as it is."""

import hashlib
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from gan.console import progress
from gan.errors import UsageError
from training.data.arrays import first_is_channels, last_is_channels
from training.data.faults import DataError

IMAGES, LABELS = ("image", "img", "pixels"), ("label", "labels", "condition", "vector")  # keys of mappings
REMEDY = "leave out random and float transforms; augmentation is a setting here, data.xflip and augment.name"


class MapStyle:
    """`len(data)` images `data[i]`: an image, a pair (image, condition), or a mapping with such keys.

    An image is a uint8 tensor [C, H, W] or [H, W], a uint8 array [H, W, C] or [H, W], or a PIL image. A
    condition is a class number, or a vector of floats. All are read once, at first, for their fingerprint.
    Raises UsageError for images that differ from one reading to the next, for floats, and where the channels
    seem to be on the other side; DataError for one that differs from the others in kind.
    """

    def __init__(self, data: Any):
        self.data, self.place = data, type(data).__name__
        self.name = self.place
        self.classes = _class_names(data)
        self._refuse_random()
        self.shapes: list[tuple[int, ...]] = []  # [C, H, W] of each image
        self.labels, self.vectors, self.fingerprint = self._read_all()

    def __len__(self) -> int:
        return len(self.data)

    def image(self, i: int) -> np.ndarray:
        """Image i, uint8 [C, H, W]."""
        return self._item(i)[0]

    def _item(self, i: int) -> tuple[np.ndarray, Any]:
        image, condition = _parts(self.data[i])
        return _pixels(image, f"{self.place}[{i}]"), condition

    def _refuse_random(self) -> None:
        count = len(self.data)
        for i in sorted({0, count // 2, count - 1} if count else ()):
            once, again = self._item(i)[0], self._item(i)[0]
            if once.shape != again.shape or not np.array_equal(once, again):
                raise UsageError(
                    f"{self.place}[{i}] is another image in every reading, so no run could be repeated or"
                    f" resumed: {REMEDY}"
                )

    def _read_all(self) -> tuple[np.ndarray | None, np.ndarray | None, str]:
        """Labels, vectors and fingerprint: sha256 of shapes, pixels and conditions."""
        digest, conditions = hashlib.sha256(), []
        for i in progress(range(len(self.data)), f"reading {self.place}", unit="img"):
            pixels, condition = self._item(i)
            self.shapes.append(pixels.shape)
            digest.update(f"{pixels.shape}".encode() + pixels.tobytes())
            conditions.append(_condition(condition, f"{self.place}[{i}]"))
        kinds = {type(condition) for condition in conditions}
        if len(kinds) > 1:
            raise DataError(
                f"{self.place}: some images have a class, others a vector or nothing: give all one"
            )
        if len(lengths := {condition.size for condition in conditions if kinds == {np.ndarray}}) > 1:
            given = " and ".join(map(str, sorted(lengths)))
            raise DataError(f"{self.place}: vectors of {given} values: give all one length")
        digest.update(repr([np.asarray(c).tolist() for c in conditions]).encode())
        labels = np.array(conditions, np.int64) if kinds == {int} else None
        vectors = np.stack(conditions) if kinds == {np.ndarray} else None
        return labels, vectors, digest.hexdigest()


def _parts(item: Any) -> tuple[Any, Any]:
    """Image and condition of what a data set gives."""
    if isinstance(item, Mapping):
        image = next((item[key] for key in IMAGES if key in item), None)
        return image, next((item[key] for key in LABELS if key in item), None)
    if isinstance(item, tuple | list):
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def _pixels(image: Any, where: str) -> np.ndarray:
    """uint8 [C, H, W]. UsageError for anything else than an image of 8 bits."""
    if isinstance(image, Image.Image):
        image = np.asarray(image if image.mode in ("L", "LA", "RGB", "RGBA") else image.convert("RGB"))
    if isinstance(image, torch.Tensor):
        array, planes_first = image.detach().cpu().numpy(), True
    elif isinstance(image, np.ndarray):
        array, planes_first = image, False
    else:
        raise UsageError(
            f"{where} is a {type(image).__name__}: give a uint8 tensor [C, H, W], an array or a PIL image,"
            " alone or as the first of a pair"
        )
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise UsageError(f"{where} is {array.dtype} {list(array.shape)}, not uint8 pixels: {REMEDY}")
    turned = last_is_channels if planes_first else first_is_channels
    if array.ndim == 3 and turned(array.shape):
        has = "a tensor has channels first, [C, H, W]: give tensor.permute(2, 0, 1)"
        if not planes_first:
            has = "an array has channels last, [H, W, C]: give array.transpose(1, 2, 0)"
        raise UsageError(f"{where} is {list(array.shape)}, but {has}")
    if array.ndim == 2:
        array = array[None] if planes_first else array[..., None]
    return np.ascontiguousarray(array if planes_first else array.transpose(2, 0, 1))


def _condition(value: Any, where: str) -> int | np.ndarray | None:
    """A class number, a vector float32 [c_dim], or None."""
    if value is None or (isinstance(value, numbers.Integral) and not isinstance(value, bool)):
        return None if value is None else int(value)
    array = np.asarray(value)
    if array.ndim == 0 and array.dtype.kind in "iu":
        return int(array)
    if array.ndim == 1 and array.dtype.kind == "f":
        return array.astype(np.float32)
    raise UsageError(f"{where}: the condition is {array.dtype} {list(array.shape)}: give a class or a vector")


def _class_names(data: Any) -> Iterable[str] | None:
    """Names of classes, as torchvision (`classes`) or `datasets` (a feature with `names`) have them."""
    features = getattr(data, "features", None)
    if isinstance(features, Mapping):
        return next((features[key].names for key in LABELS if hasattr(features.get(key), "names")), None)
    return getattr(data, "classes", None)
