"""How an image and its panoptic map are stored in TFRecord files.

The keys are those of DeepLab2's records, so that files are exchangeable. The
panoptic map is stored raw, little-endian int32 row by row; crowd is a thing
with instance 0.
"""

import re

import numpy as np
import tensorflow as tf

from axial_deeplab import keys

_IMAGE = "image/encoded"
_FORMAT = "image/format"
_FILENAME = "image/filename"
_HEIGHT = "image/height"
_WIDTH = "image/width"
_CHANNELS = "image/channels"
_LABEL = "image/segmentation/class/encoded"
_LABEL_FORMAT = "image/segmentation/class/format"

# What reading needs; everything else can be told from these.
_STORED = {
    _IMAGE: tf.io.FixedLenFeature([], tf.string),
    _FILENAME: tf.io.FixedLenFeature([], tf.string),
    _HEIGHT: tf.io.FixedLenFeature([], tf.int64),
    _WIDTH: tf.io.FixedLenFeature([], tf.int64),
    _LABEL: tf.io.FixedLenFeature([], tf.string),
}


def encode_example(
    image_bytes: bytes, image_format: str, filename: str, panoptic: np.ndarray
) -> bytes:
    """One serialized `tf.train.Example`.

    Args:
      image_bytes: the image as a PNG or JPEG file of three channels.
      image_format: `png` or `jpeg`.
      filename: name of the image file; without extension it is the image id.
      panoptic: integer [H, W] map in the size of the image.
    """
    height, width = panoptic.shape
    features = {
        _IMAGE: image_bytes,
        _FORMAT: image_format.encode(),
        _FILENAME: filename.encode(),
        _HEIGHT: height,
        _WIDTH: width,
        _CHANNELS: 3,
        _LABEL: panoptic.astype("<i4").tobytes(),
        _LABEL_FORMAT: b"raw",
    }
    return serialized_example(features)


def serialized_example(features: dict[str, bytes | int]) -> bytes:
    """One serialized `tf.train.Example` of single values."""
    features = tf.train.Features(
        feature={key: _feature(value) for key, value in features.items()}
    )
    # The order of a map is otherwise another one in every process.
    return tf.train.Example(features=features).SerializeToString(
        deterministic=True
    )


def decode_example(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Reads one record inside a `tf.data` pipeline.

    Returns:
      image uint8 [H, W, 3], panoptic int32 [H, W], image_id string scalar (the
      file name without extension), height and width int32 scalars.

    Raises:
      tf.errors.InvalidArgumentError: a key is missing, or the map does not
        have the size of the image; names the image.
    """
    features = tf.io.parse_single_example(serialized, _STORED)
    height = tf.cast(features[_HEIGHT], tf.int32)
    width = tf.cast(features[_WIDTH], tf.int32)
    image = tf.io.decode_image(
        features[_IMAGE], channels=3, expand_animations=False
    )
    label = tf.io.decode_raw(features[_LABEL], tf.int32, little_endian=True)
    size = tf.stack([height, width])
    agree = tf.reduce_all(tf.shape(image)[:2] == size)
    agree &= tf.size(label) == height * width
    label = checked(
        label,
        agree,
        "Image, panoptic map and recorded size disagree. Record, its size:",
        *(features[_FILENAME], size),
    )
    image_id = tf.strings.regex_replace(features[_FILENAME], r"\.[^./]*$", "")
    return {
        keys.IMAGE: tf.ensure_shape(image, [None, None, 3]),
        keys.PANOPTIC: tf.reshape(label, size),
        keys.IMAGE_ID: image_id,
        keys.HEIGHT: height,
        keys.WIDTH: width,
    }


def image_name(serialized: tf.Tensor) -> tf.Tensor:
    """The name of the image file in a record, string scalar."""
    return tf.io.parse_single_example(
        serialized, {_FILENAME: _STORED[_FILENAME]}
    )[_FILENAME]


def checked(value, condition: tf.Tensor, message: str, *data: tf.Tensor):
    """`value`, which in a graph, too, exists only where `condition` holds.

    Pass what the next steps compute with, so that none of them can come before
    the check and fail with words of its own.

    Args:
      value: a tensor, or a structure of tensors.
      condition: bool scalar.
      message: what is wrong.
      *data: tensors that the error shows.

    Raises:
      tf.errors.InvalidArgumentError: it does not hold; shows message and data.
    """
    check = tf.debugging.Assert(condition, [message, *data])
    with tf.control_dependencies([check] if check is not None else []):
        return tf.nest.map_structure(tf.identity, value)


_SHOWN = "Summarized data: "  # how an eager check begins what it shows


def is_check(error: tf.errors.InvalidArgumentError) -> bool:
    """Whether an eager error comes from `checked`."""
    return _SHOWN in error.message


def reason(error: tf.errors.InvalidArgumentError) -> str:
    """What an eager error says, in one line."""
    text = error.message.rsplit(_SHOWN, 1)[-1].replace("b'", "'")
    text = re.sub(r"\{\{.*?\}\}|\[Op:\w+\].*", "", text)
    return " ".join(text.split())


def _feature(value: bytes | int) -> tf.train.Feature:
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
