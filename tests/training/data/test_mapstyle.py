"""Objects as data sets: every kind that is read, the fingerprint, and one-line refusals with the reason."""

import numpy as np
import pytest
import torch
from PIL import Image

from gan.errors import UsageError
from training.data.faults import DataError
from training.data.images import open_dataset
from training.data.mapstyle import MapStyle

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 8, 3), dtype=np.uint8)  # [N, H, W, C]
PLANES = PIXELS.transpose(0, 3, 1, 2)  # [N, C, H, W]
TENSORS = [torch.from_numpy(image.copy()) for image in PLANES]


class Feature:
    """A feature of a table, with the names of its classes."""

    def __init__(self, *names):
        self.names = names


class Table:
    """As `datasets` has it: rows are mappings, features say what the columns are."""

    def __init__(self, rows, **features):
        self.rows, self.features = rows, {"image": object(), **features}

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


class Folder(list):
    """As torchvision has it: pairs, and the names of the classes."""

    classes = ("cat", "dog")


KINDS = {
    "tensors": TENSORS,
    "arrays": list(PIXELS),
    "one array": PIXELS,
    "one tensor": torch.stack(TENSORS),
    "pictures": [Image.fromarray(image) for image in PIXELS],
    "pairs": [(image, None) for image in TENSORS],
    "lists of one": [[image] for image in TENSORS],
    "mappings": [{"img": image} for image in PIXELS],
    "pixels of mappings": [{"pixels": image, "other": 1} for image in PIXELS],
    "a table": Table([{"image": Image.fromarray(image)} for image in PIXELS]),
    "a tensor data set": torch.utils.data.TensorDataset(torch.stack(TENSORS)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_every_kind(kind):
    dataset = open_dataset(KINDS[kind])
    assert (len(dataset), dataset.shape, dataset.path) == (4, (3, 6, 8), None)
    assert dataset.labels is None and dataset.vectors is None
    for i, planes in enumerate(PLANES):
        assert dataset.image(i).dtype == np.uint8 and np.array_equal(dataset.image(i), planes)


GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)


@pytest.mark.parametrize(
    "image", [GREY, torch.from_numpy(GREY.copy()), Image.fromarray(GREY)], ids=["array", "tensor", "picture"]
)
def test_grey_without_an_axis_of_channels(image):
    assert np.array_equal(open_dataset([image, image]).image(1), GREY[None])


def test_pictures_with_alpha_keep_it_and_palettes_become_colour():
    flat = Image.new("RGBA", (8, 6), (1, 2, 3, 4))
    assert open_dataset([flat]).image(0)[:, 0, 0].tolist() == [1, 2, 3, 4]
    assert open_dataset([Image.new("RGB", (8, 6), (9, 9, 9)).convert("P")]).shape == (3, 6, 8)


def with_conditions(*conditions):
    return list(zip(TENSORS, conditions, strict=False))


@pytest.mark.parametrize("number", [int, np.int64, torch.tensor, lambda n: np.array(n, np.uint8)])
def test_classes_of_every_kind(number):
    dataset = open_dataset(with_conditions(*map(number, [2, 0, 1, 2])))
    assert dataset.labels.dtype == np.int64 and dataset.labels.tolist() == [2, 0, 1, 2]
    assert dataset.classes == ["0", "1", "2"] and dataset.c_dim == 3


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_vectors_of_every_kind(kind):
    rows = [[0.5, -1.0], [1.0, 2.0], [0.0, 0.0], [3.5, 4.0]]
    dataset = open_dataset(with_conditions(*map(kind, rows)))
    assert dataset.vectors.dtype == np.float32 and dataset.vectors.tolist() == rows
    assert dataset.labels is None and dataset.c_dim == 2
    assert dataset.conditions([3, 0]).tolist() == [rows[3], rows[0]]


def test_names_of_classes_as_torchvision_and_tables_have_them():
    pairs = with_conditions(0, 1, 1, 0)
    assert open_dataset(Folder(pairs)).classes == ["cat", "dog"]
    rows = [{"image": Image.fromarray(image), "label": i % 2} for i, image in enumerate(PIXELS)]
    table = open_dataset(Table(rows, label=Feature("tree", "bush")))
    assert table.classes == ["tree", "bush"] and table.labels.tolist() == [0, 1, 0, 1]
    assert open_dataset(Table(rows)).classes == ["0", "1"]


def test_a_table_of_datasets():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["a", "b"]))
    columns = {"image": [Image.fromarray(image) for image in PIXELS], "label": [0, 1, 1, 0]}
    dataset = open_dataset(datasets.Dataset.from_dict(columns, features=features))
    assert dataset.classes == ["a", "b"] and dataset.labels.tolist() == [0, 1, 1, 0]
    assert np.array_equal(dataset.image(2), PLANES[2])


class Flipping(list):
    """A random transform."""

    def __getitem__(self, i):
        torch.manual_seed(torch.seed() % 2**31)
        return torch.randint(0, 256, (3, 6, 8), dtype=torch.uint8)


REFUSED = {
    "random": (Flipping(TENSORS), "[0] is another image in every reading, so no run could be repeated"),
    "floats": ([t / 255 for t in TENSORS], "[0] is float32 [3, 6, 8], not uint8 pixels: leave out"),
    "float array": ([PIXELS[0] / 255], "[0] is float64 [6, 8, 3], not uint8 pixels"),
    "wide integers": ([TENSORS[0].int()], "[0] is int32 [3, 6, 8], not uint8 pixels"),
    "a row": ([TENSORS[0][0, 0]], "[0] is uint8 [8], not uint8 pixels"),
    "text": (["a.png"], "[0] is a str: give a uint8 tensor [C, H, W], an array or a PIL image"),
    "no image": ([{"picture": TENSORS[0]}], "[0] is a NoneType: give a uint8 tensor"),
    "a word as class": (with_conditions("cat"), "[0]: the condition is <U3 []: give a class or a vector"),
    "a truth value": (with_conditions(True), "[0]: the condition is bool []: give a class or a vector"),
    "a matrix": (with_conditions(np.zeros((2, 2))), "[0]: the condition is float64 [2, 2]: give a class"),
    "mixed": (with_conditions(0, None, 1, 2), ": some images have a class, others a vector or nothing"),
    "class and vector": (with_conditions(0, [0.5]), ": some images have a class, others a vector or nothing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    data, expected = REFUSED[case]
    with pytest.raises((UsageError, DataError)) as caught:
        open_dataset(data)
    assert f"{type(data).__name__}{expected}" in str(caught.value) and "\n" not in str(caught.value)


def test_vectors_of_different_lengths_are_refused():
    with pytest.raises(DataError, match=r"list: vectors of 1 and 2 values: give all one length"):
        open_dataset(with_conditions([0.5, 1.0], [0.5]))


def test_objects_that_are_no_data_set():
    with pytest.raises(UsageError, match="cannot read images from a int: give a path, a data set with len"):
        open_dataset(3)
    with pytest.raises(DataError, match="list is empty: give it images"):
        open_dataset([])


def fingerprint(data):
    return MapStyle(data).fingerprint


def test_the_fingerprint_is_of_the_content():
    """Another object of the same images and conditions has the same one; any other content another one."""
    value = fingerprint(with_conditions(0, 1, 2, 3))
    assert len(value) == 64 and fingerprint(Folder(with_conditions(0, 1, 2, 3))) == value
    assert fingerprint([(image, n) for n, image in enumerate(PIXELS)]) == value  # arrays for tensors
    changed = [image.clone() for image in TENSORS]
    changed[2][0, 0, 0] ^= 1
    vectors = fingerprint(with_conditions([0.5], [1.5], [2.5], [3.5]))
    others = [
        fingerprint(list(zip(changed, range(4), strict=True))),
        fingerprint(with_conditions(0, 1, 2, 2)),
        fingerprint(with_conditions(None, None, None, None)),
        vectors,
        fingerprint(with_conditions([0.5], [1.5], [2.5], [3.25])),
        fingerprint(with_conditions(0, 1, 2)),
        fingerprint([(image.reshape(3, 8, 6), n) for n, image in enumerate(TENSORS)]),
    ]
    assert len({value, *others}) == 8
    assert fingerprint(with_conditions(*map(np.array, [[0.5], [1.5], [2.5], [3.5]]))) == vectors


@pytest.mark.parametrize("shape", [(6, 8, 3), (64, 48, 10), (5, 5, 1)])
def test_tensors_with_channels_last_are_refused(shape):
    tensor = torch.zeros(shape, dtype=torch.uint8)
    told = f"list[0] is {list(shape)}, but a tensor has channels first"
    with pytest.raises(UsageError) as caught:
        open_dataset([tensor])
    assert str(caught.value) == f"{told}, [C, H, W]: give tensor.permute(2, 0, 1)"
    assert open_dataset([tensor.permute(2, 0, 1)]).shape == (shape[2], *shape[:2])


def test_arrays_with_channels_first_are_refused():
    with pytest.raises(UsageError) as caught:
        open_dataset(PLANES)
    told = "ndarray[0] is [3, 6, 8], but an array has channels last"
    assert str(caught.value) == f"{told}, [H, W, C]: give array.transpose(1, 2, 0)"
    assert np.array_equal(open_dataset([PLANES[0].transpose(1, 2, 0)]).image(0), PLANES[0])
