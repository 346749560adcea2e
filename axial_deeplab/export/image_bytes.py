"""JPEG and PNG bytes to upright images, in a graph.

TensorFlow's decoder leaves a picture as its sensor lay; the EXIF orientation
(CIPA DC-008, tag 0x0112 of the TIFF directory in a JPEG's APP1 segment) is
read and applied here. Whatever is no picture, or too large a one, is a
`tf.errors.InvalidArgumentError` before it is decoded.
"""

import tensorflow as tf

# An APP1 segment has at most 64 KiB; cameras write it first.
_HEADER_BYTES = 1 << 16
# Zeros behind the header, so that short contents can be read alike.
_MARGIN_BYTES = 32
_ORIENTATION_TAG = 0x0112
_MOST_ENTRIES = 64
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"


def decode_upright(content: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Bytes of a JPEG or PNG, a scalar, to uint8 [H, W, 3], upright.

    Grey and palette become RGB, transparency is dropped.

    Raises:
      tf.errors.InvalidArgumentError: no JPEG or PNG, damaged, or of more
        than `max_pixels` pixels.
    """
    header = _header(content)
    is_png = tf.reduce_all(header[: len(_PNG)] == list(_PNG))
    is_jpeg = tf.reduce_all(header[: len(_JPEG)] == list(_JPEG))
    message = "An image must be the bytes of a JPEG or PNG file; bytes given:"
    check = tf.debugging.Assert(
        is_png | is_jpeg, [message, tf.strings.length(content)]
    )
    with tf.control_dependencies([check]):
        sides = tf.cond(
            is_png,
            lambda: tf.stack([_number(header, 20, 4), _number(header, 16, 4)]),
            lambda: tf.image.extract_jpeg_shape(content, tf.int64)[:2],
        )
    message = f"An image may have {max_pixels} pixels; its height and width:"
    check = tf.debugging.Assert(
        tf.reduce_prod(sides) <= max_pixels, [message, sides]
    )
    with tf.control_dependencies([check]):
        image = tf.io.decode_image(content, 3, expand_animations=False)
    image.set_shape([None, None, 3])
    return turn_upright(image, tf.where(is_jpeg, exif_orientation(header), 1))


def turn_upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """[H, W, C] as stored, with an EXIF orientation 1..8, as it is meant."""

    def flipped(image: tf.Tensor, axis: int, when: list[int]) -> tf.Tensor:
        return tf.cond(
            tf.reduce_any(orientation == when),
            lambda: tf.reverse(image, [axis]),
            lambda: image,
        )

    image = tf.cond(
        orientation >= 5,
        lambda: tf.transpose(image, [1, 0, 2]),
        lambda: image,
    )
    return flipped(flipped(image, 1, [2, 3, 6, 7]), 0, [3, 4, 7, 8])


def exif_orientation(header: tf.Tensor) -> tf.Tensor:
    """Orientation 1..8, int64, that a JPEG header tells; 1 if it does not."""
    begins = _find(header, [0xFF, 0xE1, None, None, *b"Exif\0\0"])
    tiff = tf.argmax(begins) + 10
    little = _number(header, tiff, 1) == ord("I")
    directory = tiff + _number(header, tiff + 4, 4, little)
    entries = tf.range(_MOST_ENTRIES, dtype=tf.int64)
    at = directory + 2 + 12 * entries
    is_wanted = _number(header, at, 2, little) == _ORIENTATION_TAG
    is_wanted &= entries < _number(header, directory, 2, little)
    value = tf.where(is_wanted, _number(header, at + 8, 2, little), 0)
    value = tf.reduce_max(value)
    found = tf.reduce_any(begins) & (value >= 1) & (value <= 8)
    return tf.where(found, value, 1)


def _header(content: tf.Tensor) -> tf.Tensor:
    """The first bytes of a content as int64, with zeros behind them."""
    count = tf.minimum(tf.strings.length(content), _HEADER_BYTES)
    head = tf.io.decode_raw(tf.strings.substr(content, 0, count), tf.uint8)
    return tf.pad(tf.cast(head, tf.int64), [[0, _MARGIN_BYTES]])


def _find(header: tf.Tensor, pattern: list[int | None]) -> tf.Tensor:
    """Whether a pattern begins at a byte; None is any byte."""
    places = tf.shape(header)[0] - len(pattern)
    matches = [
        header[index : index + places] == byte
        for index, byte in enumerate(pattern)
        if byte is not None
    ]
    return tf.reduce_all(matches, axis=0)


def _number(
    header: tf.Tensor,
    at: int | tf.Tensor,
    count: int,
    little: bool | tf.Tensor = False,
) -> tf.Tensor:
    """Unsigned number of `count` bytes at each place; int64."""
    places = tf.expand_dims(tf.cast(at, tf.int64), -1)
    places += tf.range(count, dtype=tf.int64)
    last = tf.shape(header, tf.int64)[0] - 1
    read = tf.gather(header, tf.clip_by_value(places, 0, last))
    weights = tf.constant([256**i for i in range(count)], tf.int64)
    weights = tf.where(little, weights, weights[::-1])
    return tf.reduce_sum(read * weights, axis=-1)
