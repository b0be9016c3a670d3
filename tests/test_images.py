import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from siaga.errors import ImageError
from siaga.features.images import (
    content_hash,
    difference_hash,
    image_hashes,
    open_image,
    pixel_hash,
    pixels,
    read_image,
    thumbnail,
)
from siaga.post import Pixels

HERE = Path(__file__).parent
RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def picture(width: int = 32, height: int = 24, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height))


def red_left(width: int = 64, height: int = 32) -> Image.Image:
    image = Image.new("RGB", (width, height), BLUE)
    image.paste(RED, (0, 0, width // 2, height))
    return image


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010E] = "where I live"
    return tags


def peak_mb() -> float:
    """The most memory that this process has held (its own: what `getrusage` tells starts with the parent's)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def png_header(width: int, height: int) -> bytes:
    """A valid PNG that declares a size and holds next to nothing."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0")),
        (b"IEND", b""),
    ]
    chunks = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_the_content_decides_the_format_whatever_the_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.bmp"
    path.write_bytes(encoded(picture(), kind))
    image = open_image(path)
    assert (image.mode, image.size, image.info) == ("RGB", (32, 24), {})


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(ImageError, match="not a JPEG, PNG, WebP or GIF image"):
        open_image(encoded(picture(), kind))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<html>not found</html>", "not a JPEG, PNG, WebP or GIF image: it starts with b'<html>not fo'"),
        (encoded(picture(), "PNG")[:200], "damaged"),
        (encoded(picture(), "JPEG")[:-200], "damaged.*truncated"),
        (encoded(picture(), "GIF")[:-60], "damaged"),
        (encoded(picture(), "WEBP")[:-60], "damaged|not a"),
        (png_header(6000, 5000), "too large: 6,000 × 5,000 pixels; at most 25 megapixels"),
        (png_header(60_000, 60_000), "too large: at most 25 megapixels"),
        (png_header(10_000, 10_000), "too large: at most 25 megapixels"),
        (encoded(picture(), "JPEG") + b"\xff\xda" * 1001, "scans"),
    ],
    ids=["empty", "page", "png", "jpeg", "gif", "webp", "30_megapixels", "bomb", "small_bomb", "scans"],
)
def test_what_is_wrong_with_an_image_is_said(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=reason):
        open_image(content)
    (tmp_path / "flood.jpg").write_bytes(content)
    with pytest.raises(ImageError, match=r"flood\.jpg is"):
        open_image(tmp_path / "flood.jpg")


def test_a_path_that_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"absent\.jpg is missing"):
        open_image(tmp_path / "absent.jpg")
    with pytest.raises(ImageError, match="is missing"):
        open_image(tmp_path)
    with pytest.raises(ImageError, match=r"is missing|cannot be read"):
        open_image(Path("a\0b.jpg"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_image_stands_upright_however_the_camera_was_held(orientation: int, kind: str) -> None:
    from PIL import ImageOps

    content = encoded(picture(48, 32), kind, exif=exif(orientation))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    assert open_image(content).tobytes() == expected.tobytes()


def test_transparent_pixels_are_white() -> None:
    image = red_left().convert("RGBA")
    image.paste((0, 0, 0, 0), (32, 0, 64, 32))
    for content in (encoded(image, "PNG"), encoded(image, "WEBP", lossless=True), encoded(image, "GIF")):
        opened = open_image(content)
        assert [opened.getpixel((5, 5)), opened.getpixel((60, 5))] == [RED, WHITE]
    palette = encoded(red_left().quantize(2), "PNG", transparency=0)
    assert WHITE in [opened.getpixel(at) for opened in [open_image(palette)] for at in ((5, 5), (60, 5))]
    tall = Image.new("RGBA", (3, 700), (255, 0, 0, 128))
    assert open_image(encoded(tall, "PNG")).getcolors() == [(2100, (255, 127, 127))]


def test_sixteen_bits_of_grey_are_scaled() -> None:
    grey = Image.fromarray(np.array([[0, 32768, 65535]], dtype=np.uint16))
    opened = open_image(encoded(grey, "PNG"))
    assert [opened.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (128, 128, 128), WHITE]


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE)]
    for kind in ("GIF", "WEBP", "PNG"):
        opened = open_image(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
        red, _, blue = np.asarray(opened).reshape(-1, 3).mean(axis=0)
        assert red > 240, kind
        assert blue < 15, kind


def test_a_jpeg_is_decoded_smaller_but_never_below_the_side() -> None:
    content = encoded(picture(640, 400), "JPEG")
    assert open_image(content, side=100).size == (160, 100)
    assert open_image(content, side=101).size == (320, 200)
    assert open_image(content, side=500).size == (640, 400)
    assert open_image(encoded(picture(640, 400), "PNG"), side=100).size == (640, 400)


def test_pixels_are_the_centre_square() -> None:
    image = Image.new("RGB", (90, 30), RED)
    image.paste(BLUE, (27, 0, 63, 30))
    square = pixels(encoded(image, "PNG"), 10)
    assert square.shape == (10, 10, 3)
    assert square.dtype == np.uint8
    assert np.unique(square.reshape(-1, 3), axis=0).tolist() == [list(BLUE)]
    assert pixels(image.rotate(90, expand=True), 10).tolist() == square.tolist()


def test_a_thumbnail_is_a_small_jpeg_without_metadata() -> None:
    content = thumbnail(encoded(picture(640, 400), "JPEG", exif=exif(6), comment=b"secret"), side=160)
    small = Image.open(io.BytesIO(content))
    assert (small.format, small.size) == ("JPEG", (100, 160))
    assert b"where I live" not in content
    assert b"secret" not in content


def test_the_thumbnail_of_a_picture_of_few_pixels_is_a_png_of_its_size() -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (28, 20, 3), dtype=np.uint8)
    for image in (Pixels(20, 28, 3, drawn.tobytes()), encoded(Image.fromarray(drawn), "PNG")):
        small = Image.open(io.BytesIO(thumbnail(image)))
        assert small.format == "PNG"
        np.testing.assert_array_equal(np.asarray(small), drawn)
    wide = Image.open(io.BytesIO(thumbnail(Pixels(20, 28, 3, drawn.tobytes()), side=14)))
    assert (wide.format, wide.size) == ("JPEG", (10, 14))


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_have_the_hashes_of_the_picture_that_they_are(channels: Literal[1, 3]) -> None:
    data = np.random.default_rng(0).integers(0, 256, 40 * 33 * channels, dtype=np.uint8).tobytes()
    image = Pixels(40, 33, channels, data)
    assert pixel_hash(image) == pixel_hash(open_image(image)) == pixel_hash(read_image(image))
    assert difference_hash(image) == difference_hash(open_image(image))
    others = [Pixels(33, 40, channels, data), Pixels(40, 33, channels, data[:-1] + bytes([data[-1] ^ 1]))]
    assert len({content_hash(each) for each in (image, *others)}) == 3


def test_equal_pixels_have_equal_hashes_however_they_are_encoded() -> None:
    image = picture()
    as_png, as_webp = encoded(image, "PNG"), encoded(image, "WEBP", lossless=True)
    assert as_png != as_webp
    assert image_hashes(as_png) == image_hashes(as_webp) == (pixel_hash(image), difference_hash(image))
    changed = image.copy()
    changed.putpixel((3, 3), (1, 2, 3))
    assert pixel_hash(changed) != pixel_hash(image)
    assert pixel_hash(Image.new("RGB", (2, 3))) != pixel_hash(Image.new("RGB", (3, 2)))


def test_near_duplicates_differ_in_few_bits_and_others_in_many() -> None:
    image = picture(320, 240)
    near = open_image(encoded(image.resize((200, 150)), "JPEG", quality=40))
    assert (difference_hash(image) ^ difference_hash(near)).bit_count() <= 3
    others = [difference_hash(picture(320, 240, seed)) for seed in range(1, 20)]
    assert min((difference_hash(image) ^ other).bit_count() for other in others) > 15
    brighter_rightwards = Image.linear_gradient("L").rotate(90).convert("RGB")
    assert difference_hash(brighter_rightwards) == 2**64 - 1
    assert difference_hash(brighter_rightwards.rotate(180)) == 0


FUZZ = """
import json, struct, sys, warnings, zlib
import numpy as np
import test_images as here

warnings.simplefilter("error")
base = here.picture()
frames = [here.picture(seed=seed) for seed in (1, 2)]
files = {
    "JPEG": [here.encoded(base, "JPEG", exif=here.exif(6)), here.encoded(base, "JPEG", progressive=True)],
    "PNG": [here.encoded(base, "PNG", exif=here.exif(6)), here.encoded(base.quantize(9), "PNG", transparency=1)],
    "WEBP": [here.encoded(base, "WEBP", exif=here.exif(6)), here.encoded(base.convert("RGBA"), "WEBP", lossless=True)],
    "GIF": [here.encoded(base, "GIF"), here.encoded(base, "GIF", save_all=True, append_images=frames)],
}

def resealed(png):
    at = 8
    while at + 12 <= len(png) and at + 12 + (n := struct.unpack(">I", png[at:at + 4])[0]) <= len(png):
        png[at + 8 + n:at + 12 + n] = struct.pack(">I", zlib.crc32(png[at + 4:at + 8 + n]))
        at += 12 + n
    return png

def mutated(content, rng):
    content = bytearray(content)
    kind = rng.integers(4)
    if kind == 0:
        return content[:rng.integers(len(content))]
    if kind == 1:
        start, end = sorted(rng.integers(len(content), size=2))
        at = rng.integers(len(content))
        content[at:at] = content[start:end]
        return content
    reach = min(len(content), 120) if kind == 2 else len(content)
    for _ in range(rng.integers(1, 8)):
        content[rng.integers(reach)] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
    return content

counts = {}
rng = np.random.default_rng(0)
for kind, originals in files.items():
    counts[kind] = [0, 0]
    for i in range(2000):
        content = mutated(originals[i % 2], rng)
        content = resealed(content) if kind == "PNG" and i % 4 > 1 else content
        try:
            image = here.open_image(bytes(content), side=8)
            assert image.mode == "RGB"
            counts[kind][0] += 1
        except here.ImageError:
            counts[kind][1] += 1
print(json.dumps({"counts": counts, "peak_mb": here.peak_mb()}))
"""


def test_thousands_of_mutated_files_are_read_or_refused_in_little_memory() -> None:
    command = [sys.executable, "-c", FUZZ]
    run = subprocess.run(command, check=True, cwd=HERE, capture_output=True, text=True, timeout=120)
    result = json.loads(run.stdout)
    assert result["peak_mb"] < 400
    for kind, (read, refused) in result["counts"].items():
        assert read + refused == 2000
        assert read > 100, kind
        assert refused > 500, kind


def test_the_largest_images_decode_below_400_megabytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(
        encoded(Image.new("RGBA", (5000, 5000), (255, 0, 0, 128)), "PNG", compress_level=1)
    )
    (tmp_path / "b.webp").write_bytes(encoded(Image.new("RGB", (4000, 4000), RED), "WEBP", method=0))
    for path in tmp_path.iterdir():
        code = f"import test_images as here; here.open_image(here.Path({str(path)!r})); print(here.peak_mb())"
        command = [sys.executable, "-c", code]
        run = subprocess.run(command, check=True, cwd=HERE, capture_output=True, text=True, timeout=60)
        assert float(run.stdout) < 400, path.name
