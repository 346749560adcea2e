"""Images with one class each: in TFRecord files, or a folder for each class.

Records hold the keys of Model Garden's ImageNet (`image/encoded`,
`image/class/label`) or those of TensorFlow Datasets (`image`, `label`).
"""

import tensorflow as tf

from axial_deeplab.data import tfrecord_schema

_IMAGE = "image/encoded"
_FORMAT = "image/format"
_FILENAME = "image/filename"
_LABEL = "image/class/label"
_TFDS_IMAGE, _TFDS_LABEL, _TFDS_FILENAME = "image", "label", "file_name"

_STORED = {
    **{
        key: tf.io.FixedLenFeature([], tf.string, "")
        for key in (_IMAGE, _TFDS_IMAGE, _FILENAME, _TFDS_FILENAME)
    },
    **{
        key: tf.io.FixedLenFeature([], tf.int64, -1)
        for key in (_LABEL, _TFDS_LABEL)
    },
}

_IMAGE_FILES = (".jpeg", ".jpg", ".png", ".bmp")
_SIGNATURES = (b"\xff\xd8", b"\x89P", b"BM", b"GI")  # how image files begin

# The bytes of an image file, its label, and what it is called.
LabelledImage = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


def encode_record(
    image_bytes: bytes, image_format: str, filename: str, label: int
) -> bytes:
    """One serialized `tf.train.Example` with Model Garden's keys.

    Args:
      image_bytes: the image as a file.
      image_format: `png` or `jpeg`.
      filename: what the image is called.
      label: its class, 0 is the first.
    """
    return tfrecord_schema.serialized_example(
        {
            _IMAGE: image_bytes,
            _FORMAT: image_format.encode(),
            _FILENAME: filename.encode(),
            _LABEL: label,
        }
    )


def decode_record(serialized: tf.Tensor) -> LabelledImage:
    """Reads one record with either set of keys inside a `tf.data` pipeline.

    Raises:
      tf.errors.InvalidArgumentError: image or label is missing.
    """
    stored = tf.io.parse_single_example(serialized, _STORED)
    # A missing text is empty, a missing label -1.
    encoded = stored[_IMAGE] + stored[_TFDS_IMAGE]
    label = tf.maximum(stored[_LABEL], stored[_TFDS_LABEL])
    name = stored[_FILENAME] + stored[_TFDS_FILENAME]
    encoded = tfrecord_schema.checked(
        encoded,
        (label >= 0) & (tf.strings.length(encoded) > 0),
        f"A record needs {_IMAGE} and {_LABEL}, or {_TFDS_IMAGE} and "
        f"{_TFDS_LABEL}. Image, its label:",
        *(name, label),
    )
    return _checked_image(encoded, name), label, name


def read_file(path: tf.Tensor, label: tf.Tensor) -> LabelledImage:
    """Reads one file of `list_class_folders` inside a pipeline."""
    return _checked_image(tf.io.read_file(path), path), label, path


def _checked_image(encoded: tf.Tensor, name: tf.Tensor) -> tf.Tensor:
    # Of an empty text there are no two characters to take.
    head = tf.strings.substr(encoded + "  ", 0, 2)
    return tfrecord_schema.checked(
        encoded,
        tf.reduce_any(head == tf.constant(_SIGNATURES)),
        "No JPEG, PNG, BMP or GIF image:",
        name,
    )


def class_names(folder: str) -> list[str]:
    """Names of the folders in a folder, one for each class.

    Raises:
      ValueError: there are none.
    """
    names = sorted(
        name.rstrip("/")
        for name in tf.io.gfile.listdir(folder)
        if tf.io.gfile.isdir(f"{folder}/{name}")
    )
    if not names:
        raise ValueError(
            f"{folder} holds no folders; images are expected in one folder "
            "for each class."
        )
    return names


def list_class_folders(folder: str) -> tuple[list[str], list[int], list[str]]:
    """Image files of a folder with one folder for each class.

    Classes are numbered in the order of their folders' names.

    Returns:
      Paths, the label of each, and the names of the classes.

    Raises:
      ValueError: there are no such folders, or one of them has no image.
    """
    names = class_names(folder)
    paths, labels = [], []
    for label, name in enumerate(names):
        files = sorted(
            file
            for file in tf.io.gfile.listdir(f"{folder}/{name}")
            if file.lower().endswith(_IMAGE_FILES)
        )
        if not files:
            raise ValueError(
                f"The class folder {folder}/{name} holds no image file "
                f"({', '.join(_IMAGE_FILES)})."
            )
        paths += [f"{folder}/{name}/{file}" for file in files]
        labels += [label] * len(files)
    return paths, labels, names
