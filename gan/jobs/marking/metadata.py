"""Images as files that say what they are: made by a model, by which one, and from which seed.

The mark is IPTC's digital source type "trainedAlgorithmicMedia" (IPTC Photo Metadata Standard) in XMP, with
texts in EXIF, and in PNG's own text chunks. Metadata is lost where an image is saved again without it: the
mark informs, and proves nothing. The bytes depend on image, seed and model alone, never on the time.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

import gan
from gan.images import FORMATS, to_pil, view

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MEDIA = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg", "zip": "application/zip"}
_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    " Iptc4xmpExt:DigitalSourceType={source} xmp:CreatorTool={tool} dc:source={origin}/>"
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Of one image, as far as known. digest: sha256 of the weights.  verdict: where a filter met it."""

    model: str = ""
    digest: str = ""
    seed: int | None = None
    verdict: str = ""

    def __str__(self) -> str:
        seed = "" if self.seed is None else f"seed {self.seed}"
        parts = (
            f"model {self.model or 'unknown'}",
            self.digest and f"sha256:{self.digest}",
            seed,
            self.verdict,
        )
        return ", ".join(filter(None, parts))


def marked(image: Tensor, form: str, origin: Origin) -> bytes:
    """uint8 [C, H, W] -> a png, webp or jpeg with its marks.

    A PNG holds the pixels as they are, with alpha; JPEG and WebP hold the `view`, at quality 95.
    Raises UserError for a PNG of more than 4 channels.
    """
    tool = f"gan-workbench {gan.__version__}"
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = f"AI-generated image: {origin}"
    exif[ExifTags.Base.Software] = tool
    xmp = _XMP.format(source=quoteattr(SOURCE), tool=quoteattr(tool), origin=quoteattr(str(origin)))
    options: dict[str, Any] = {"quality": 95, "xmp": xmp.encode()}
    if form == "png":
        texts = PngInfo()
        texts.add_text("AI-generated", "true")
        texts.add_text("Software", tool)
        texts.add_text("Source", str(origin))
        texts.add_itxt("XML:com.adobe.xmp", xmp)
        options = {"pnginfo": texts, "compress_level": 1}  # a tenth of the default's time
    buffer = io.BytesIO()
    picture = to_pil(image if form == "png" else view(image))
    picture.save(buffer, format=FORMATS[f".{form}"], exif=exif.tobytes(), **options)
    return buffer.getvalue()


def archive(files: Sequence[tuple[str, bytes]], manifest: dict[str, Any]) -> bytes:
    """A zip, stored, of named files and of manifest.json; the same bytes for the same content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name, data in files:
            target.writestr(zipfile.ZipInfo(name), data)
        target.writestr(zipfile.ZipInfo("manifest.json"), json.dumps(manifest, indent=1))
    return buffer.getvalue()
