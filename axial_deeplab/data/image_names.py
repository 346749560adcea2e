"""Names of images as numbers, which accelerators can carry along."""

import numpy as np
import tensorflow as tf

NAME_BYTES = 128
WHOLE_NAME_BYTES = 1024


def name_bytes(name: tf.Tensor) -> tf.Tensor:
    """The last bytes of a name, uint8 [NAME_BYTES], filled up with zeros."""
    start = tf.maximum(tf.strings.length(name) - NAME_BYTES, 0)
    end = tf.strings.substr(name, start, NAME_BYTES)
    return tf.io.decode_raw(end, tf.uint8, fixed_length=NAME_BYTES)


def whole_names(names: tf.Tensor) -> tf.Tensor:
    """Names that result files need whole, string [B], as uint8 [B, bytes].

    `text_of` makes them names again. A name of more than `WHOLE_NAME_BYTES`
    is an error when it is read.
    """
    fits = tf.debugging.assert_less_equal(
        tf.strings.length(names),
        WHOLE_NAME_BYTES,
        f"Image names may have {WHOLE_NAME_BYTES} bytes at most. Lengths:",
    )
    with tf.control_dependencies([fits] if fits is not None else []):
        names = tf.identity(names)
    return tf.io.decode_raw(names, tf.uint8, fixed_length=WHOLE_NAME_BYTES)


def text_of(row: np.ndarray) -> str:
    """The name of which a row was made; empty for none."""
    return row.tobytes().rstrip(b"\0").decode(errors="replace")
