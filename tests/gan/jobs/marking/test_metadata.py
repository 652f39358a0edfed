"""Marks as other programs read them, and pixels that they leave alone."""

import io
import json
import xml.etree.ElementTree as ET
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from gan.images import encode
from gan.jobs.marking.metadata import MEDIA, SOURCE, Origin, archive, marked

ORIGIN = Origin(model="a<b>&'\"", digest="ab" * 32, seed=7)
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
TYPE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
FORMS = {"png": "PNG", "webp": "WEBP", "jpeg": "JPEG"}


@pytest.fixture
def image():
    return torch.randint(0, 256, (3, 24, 40), dtype=torch.uint8)


def opened(data, form):
    return Image.open(io.BytesIO(data), formats=(FORMS[form],))


@pytest.mark.parametrize("form", FORMS)
def test_a_file_says_what_it_is(image, form):
    found = opened(marked(image, form, ORIGIN), form)
    assert Image.MIME[found.format] == MEDIA[form]
    found.load()
    xmp = found.info["XML:com.adobe.xmp" if form == "png" else "xmp"]
    text = xmp if isinstance(xmp, str) else xmp.decode()
    described = ET.fromstring(text[text.index("<x:") : text.rindex("<?")]).find(f".//{RDF}")
    assert described.get(TYPE) == SOURCE and SOURCE.endswith("/trainedAlgorithmicMedia")
    assert str(ORIGIN) in described.attrib.values()
    assert found.getexif()[0x010E] == f"AI-generated image: {ORIGIN}"
    assert found.getexif()[0x0131].startswith("gan-workbench ")
    if form == "png":
        assert found.text["AI-generated"] == "true" and found.text["Source"] == str(ORIGIN)


@pytest.mark.parametrize("form", FORMS)
def test_pixels_and_bytes(image, form):
    data = marked(image, form, ORIGIN)
    assert marked(image.clone(), form, ORIGIN) == data
    plain = encode(image, f".{form}")
    assert np.array_equal(np.asarray(opened(data, form)), np.asarray(opened(plain, form)))


def test_alpha(image):
    alpha = torch.cat([image, image[:1]])
    assert opened(marked(alpha, "png", ORIGIN), "png").mode == "RGBA"
    assert opened(marked(alpha, "jpeg", ORIGIN), "jpeg").mode == "RGB"


def test_an_archive():
    data = archive([("seed0001.png", b"one"), ("seed0002.png", b"two")], {"model": "m"})
    assert archive([("seed0001.png", b"one"), ("seed0002.png", b"two")], {"model": "m"}) == data
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert found.namelist() == ["seed0001.png", "seed0002.png", "manifest.json"]
        assert found.read("seed0002.png") == b"two" and json.loads(found.read("manifest.json")) == {
            "model": "m"
        }
