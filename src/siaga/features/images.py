"""Image decoding within limits: hostile files become an ImageError, good ones plain RGB on white.

Content decides the format, never the name. The header is checked before anything is decoded; metadata is dropped.
"""

import io
import struct
import warnings
import zlib
from hashlib import sha256
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, WebPImagePlugin  # The plugin: else Pillow loads all of its formats.

from siaga.errors import ImageError
from siaga.post import Picture, Pixels

Source = Picture | Image.Image  # What can be shown: a post's picture, or one that is decoded already.

FORMATS = ("JPEG", "PNG", WebPImagePlugin.WebPImageFile.format, "GIF")
MAX_PIXELS = 25_000_000
MAX_PIXELS_DEAR = 16_000_000  # WebP and CMYK take twice the memory; this keeps their peak below 400 MB as well.
MAX_BYTES = 50 << 20
MAX_SCANS = 1000  # A JPEG of many scans costs a full pass over its blocks for each of a few bytes.

_ORIENTATION = 0x0112
_STRIP = 256
_CRISP = 64  # Pixels a side; JPEG would blur what little there is to see in such a picture.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow raises for a file that lies about itself; anything else is a bug and may crash.
_FAULTS = (OSError, SyntaxError, ValueError, EOFError, OverflowError, MemoryError, struct.error, zlib.error)
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_warning_filters = Lock()  # `warnings.catch_warnings` changes the whole process and is not safe among threads.


def open_image(image: Picture, *, side: int | None = None) -> Image.Image:
    """Decode a JPEG, PNG, WebP or GIF (its first frame) to upright RGB on white.

    At most 25 megapixels are read (16 of a WebP or of CMYK). With `side`, a JPEG may be decoded at half, a quarter
    or an eighth of its size while both sides stay at or above `side`. Raises ImageError for everything that is wrong
    with the file.
    """
    if isinstance(image, Pixels):
        mode = "L" if image.channels == 1 else "RGB"
        return Image.frombytes(mode, (image.width, image.height), image.data).convert("RGB")
    content = read_image(image)
    name = str(image) if isinstance(image, Path) else "The image"
    try:
        opened, orientation = _header(content)
        limit = MAX_PIXELS_DEAR if opened.format == "WEBP" or opened.mode == "CMYK" else MAX_PIXELS
        if opened.width * opened.height > limit:
            size = f"{opened.width:,} × {opened.height:,} pixels"
            raise ImageError(f"{name} is too large: {size}; at most {limit // 10**6} megapixels are read.")
        if side is not None:
            opened.draft(None, (side, side))
        opened.load()
        plain = _rgb_on_white(opened)
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not a JPEG, PNG, WebP or GIF image: it starts with {content[:12]!r}.") from None
    except _BOMBS:
        raise ImageError(f"{name} is too large: at most {MAX_PIXELS // 10**6} megapixels are read.") from None
    except _FAULTS as error:
        raise ImageError(f"{name} is damaged: {type(error).__name__}: {error}.") from None
    plain.info.clear()
    return plain.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else plain


def read_image(image: Picture) -> bytes:
    """Return the bytes of an encoded image, at most 50 MiB; pixels as a PNG. Raises ImageError for what is neither."""
    if isinstance(image, Pixels):
        stream = io.BytesIO()
        open_image(image).save(stream, "PNG", compress_level=1)
        return stream.getvalue()
    if isinstance(image, Path):
        image = _read_file(image)
    if not image:
        raise ImageError("The image is empty: it has no bytes.")
    if len(image) > MAX_BYTES:
        raise ImageError(f"The image is too large: {len(image):,} bytes; at most {MAX_BYTES >> 20} MiB are read.")
    return image


def content_hash(image: bytes | Pixels) -> bytes:
    """Return the SHA-256 of a file's bytes, or of the size and the numbers of pixels: cheap, nothing is decoded."""
    if isinstance(image, Pixels):
        return sha256(f"{image.width}x{image.height}x{image.channels}:".encode() + image.data).digest()
    return sha256(image).digest()


def thumbnail(image: Source, *, side: int = 160) -> bytes:
    """Return a JPEG without metadata whose longer side is at most `side` pixels.

    A picture of at most 64 pixels a side becomes a PNG of its own size, for a page to enlarge pixel by pixel.
    """
    small = (image if isinstance(image, Image.Image) else open_image(image, side=side)).convert("RGB")
    form = "PNG" if max(small.size) <= min(side, _CRISP) else "JPEG"
    small.thumbnail((side, side))
    stream = io.BytesIO()
    Image.frombytes("RGB", small.size, small.tobytes()).save(stream, form, quality=80)
    return stream.getvalue()


def pixels(image: Source, side: int, *, grey: bool = False) -> NDArray[np.uint8]:
    """Return (side, side, 3) uint8 RGB, or (side, side, 1) grey: the centre square, resized."""
    channels, mode = (1, "L") if grey else (3, "RGB")
    if isinstance(image, Pixels) and image.width == image.height == side and image.channels in (1, channels):
        read = np.frombuffer(image.data, dtype=np.uint8).reshape(side, side, image.channels)
        return np.broadcast_to(read, (side, side, channels)).copy()
    whole = image if isinstance(image, Image.Image) else open_image(image, side=side)
    edge = min(whole.size)
    left, top = (whole.width - edge) / 2, (whole.height - edge) / 2
    square = whole.convert(mode).resize(
        (side, side), Image.Resampling.BILINEAR, box=(left, top, left + edge, top + edge)
    )
    return np.array(square, dtype=np.uint8).reshape(side, side, channels)


def pixel_hash(image: Source) -> bytes:
    """Return the SHA-256 of size and decoded pixels: equal for exact duplicates, however they are encoded."""
    if isinstance(image, Pixels):
        rgb = image.data if image.channels == 3 else np.frombuffer(image.data, dtype=np.uint8).repeat(3).tobytes()
        return _pixel_hash((image.width, image.height), rgb)
    whole = _decoded(image)
    return _pixel_hash(whole.size, whole.tobytes())


def difference_hash(image: Source) -> int:
    """Return the 64-bit difference hash (N. Krawetz, 2013): few bits differ between near duplicates.

    Each bit says whether a cell of the 9 × 8 grey thumbnail is darker than its right neighbour; a picture of one
    colour gives 0.
    """
    return _difference_hash(_decoded(image))


def image_hashes(image: Source) -> tuple[bytes, int]:
    """Return `pixel_hash` and `difference_hash` of one decoding."""
    whole = _decoded(image)
    return pixel_hash(whole), _difference_hash(whole)


def _read_file(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ImageError(f"{path} is missing: there is no such image file.")
        if (size := path.stat().st_size) > MAX_BYTES:
            raise ImageError(f"{path} is too large: {size:,} bytes; at most {MAX_BYTES >> 20} MiB are read.")
        content = path.read_bytes()
    except FileNotFoundError:  # It vanished between the question and the reading.
        raise ImageError(f"{path} is missing: there is no such image file.") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} cannot be read: {error}.") from None
    if not content:
        raise ImageError(f"{path} is empty: it has no bytes.")
    return content


def _header(content: bytes) -> tuple[Image.Image, int]:
    """Return the image, not yet decoded, and its EXIF orientation (1 where it has none that can be read)."""
    if content.startswith(b"\xff\xd8") and content.count(b"\xff\xda") > MAX_SCANS:
        raise ValueError(f"more than {MAX_SCANS:,} scans")
    with _warning_filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        opened = Image.open(io.BytesIO(content), formats=FORMATS)
        try:
            return opened, int(opened.getexif().get(_ORIENTATION, 1))
        except _FAULTS:
            return opened, 1


def _rgb_on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip rather than scale.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    canvas = Image.new("RGB", image.size, "white")
    for top in range(0, image.height, _STRIP):  # In strips, to keep two whole copies in memory rather than four.
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height))).convert("RGBA")
        canvas.paste(strip, (0, top), mask=strip)
    return canvas


def _decoded(image: Source) -> Image.Image:
    return image.convert("RGB") if isinstance(image, Image.Image) else open_image(image)


def _pixel_hash(size: tuple[int, int], rgb: bytes) -> bytes:
    return sha256(f"{size[0]}x{size[1]}:".encode() + rgb).digest()


def _difference_hash(image: Image.Image) -> int:
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return int.from_bytes(np.packbits(grey[:, :-1] < grey[:, 1:]).tobytes(), "big")
