"""Names of images as numbers, which accelerators can carry along."""

import numpy as np
import tensorflow as tf

NAME_BYTES = 128


def name_bytes(name: tf.Tensor) -> tf.Tensor:
    """The last bytes of a name, uint8 [NAME_BYTES], filled up with zeros."""
    start = tf.maximum(tf.strings.length(name) - NAME_BYTES, 0)
    end = tf.strings.substr(name, start, NAME_BYTES)
    return tf.io.decode_raw(end, tf.uint8, fixed_length=NAME_BYTES)


def text_of(row: np.ndarray) -> str:
    """The name of which `name_bytes` made a row; empty for none."""
    return row.tobytes().rstrip(b"\0").decode(errors="replace")
