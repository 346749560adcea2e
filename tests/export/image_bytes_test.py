import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from axial_deeplab.export.image_bytes import decode_upright

MAX_PIXELS = 1000


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def decode(content):
    return decode_upright(content, MAX_PIXELS)


def _picture(height=10, width=16, mode="RGB"):
    """Smooth, so that JPEG keeps it; no two corners are alike."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([y * 16, x * 12, 255 - y * 8 - x * 4], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8)).convert(mode)


def _bytes(picture, kind="JPEG", **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _with_exif(orientation, byte_order="<"):
    exif = Image.Exif()
    exif.endian = byte_order
    exif[0x010F] = "a maker's name"
    exif[0x0112] = orientation
    return _bytes(_picture(), exif=exif.tobytes(), quality=95)


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation, byte_order):
    content = _with_exif(orientation, byte_order)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    found = decode(content).numpy()
    assert found.shape == (upright.height, upright.width, 3)
    difference = np.abs(found - np.asarray(upright, int))
    assert difference.max() < 6  # two decoders


@pytest.mark.parametrize("orientation", [0, 9])
def test_unknown_orientation_leaves_the_picture(orientation):
    found = decode(_with_exif(orientation)).numpy()
    assert found.shape == (10, 16, 3)


def test_cut_exif_data_is_survived():
    # The directory lies beyond the header: there is no orientation then.
    content = bytearray(_with_exif(6))
    tiff = content.index(b"Exif\0\0") + 6
    content[tiff + 4 : tiff + 8] = b"\xff\xff\xff\x7f"
    assert decode(bytes(content)).shape == (10, 16, 3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "LA"])
def test_png_of_every_mode_becomes_rgb(mode):
    picture = _picture(mode=mode)
    found = decode(_bytes(picture, "PNG")).numpy()
    np.testing.assert_array_equal(found, np.asarray(picture.convert("RGB")))


def _header_of(height, width):
    """A PNG that claims a size; a decoder would reserve that much."""
    content = bytearray(_bytes(_picture(), "PNG"))
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return bytes(content)


BAD = {
    "nothing": (b"", "bytes of a JPEG or PNG"),
    "text": (b"this is text", "bytes of a JPEG or PNG"),
    "gif": (_bytes(_picture(), "GIF"), "bytes of a JPEG or PNG"),
    "JPEG head": (b"\xff\xd8\xff\xe0 and no more", "."),
    "cut JPEG": (_bytes(_picture())[:-90], "."),
    "cut PNG": (_bytes(_picture(), "PNG")[:-90], "."),
    "too large JPEG": (_bytes(_picture(40, 40)), "may have 1000 pixels"),
    "too large PNG": (_header_of(2**31 - 1, 2**31 - 1), "may have 1000 pix"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_an_invalid_argument(name):
    content, words = BAD[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        decode(content)


def test_largest_picture_that_may_come():
    assert decode(_bytes(_picture(25, 40))).shape == (25, 40, 3)
