"""Data sets with len() and [i]: the layouts of images, labels and vectors that come with them."""

import numpy as np
import pytest
import torch
from PIL import Image

from gan.errors import UsageError
from training.data.images import open_dataset

PIXELS = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)  # [N, H, W, C]
PLANES = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)  # [N, C, H, W]
FORMS = {
    "array": PIXELS,
    "tensors": list(PLANES),
    "pictures": [Image.fromarray(pixels) for pixels in PIXELS],
    "pairs": [(pixels, 0) for pixels in PIXELS],
    "mappings": [{"image": pixels} for pixels in PIXELS],
}


@pytest.mark.parametrize("form", FORMS)
def test_images_are_planes(form):
    dataset = open_dataset(FORMS[form])
    assert dataset.shape == (3, 4, 6) and len(dataset) == 2
    for i in range(2):
        assert np.array_equal(dataset.image(i), PLANES[i].numpy())


def test_labels_and_vectors_belong_to_their_images():
    labelled = open_dataset([(PIXELS[0], 1), (PIXELS[1], 0)])
    assert labelled.labels.tolist() == [1, 0] and labelled.vectors is None
    vectors = open_dataset([(PIXELS[0], [1.0, 2.0]), (PIXELS[1], [3.0, 4.0])])
    assert vectors.vectors.tolist() == [[1, 2], [3, 4]] and vectors.labels is None
    assert vectors.conditions([1, 0]).tolist() == [[3, 4], [1, 2]]


def test_the_fingerprint_is_of_pixels_and_labels():
    sets = ([(PIXELS[0], a), (PIXELS[1], b)] for a, b in ((0, 1), (0, 1), (1, 0)))
    first, again, other = (open_dataset(found).sha256 for found in sets)
    assert first == again != other


def test_an_image_that_changes_is_refused():
    class Random:
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return torch.randint(256, (3, 4, 6), dtype=torch.uint8)

    with pytest.raises(UsageError, match="is another image in every reading"):
        open_dataset(Random())
