"""What all servers of an export do with a request, in whatever format."""

import numpy as np
import tensorflow as tf

from axial_deeplab.export.reuse import Export


class RequestError(ValueError):
    """What a client is told: with HTTP status 400, or INVALID_ARGUMENT."""


def find_signature(
    model: Export, name: str
) -> tuple[tf.types.experimental.Callable, dict[str, tf.TensorSpec]]:
    """A signature and its inputs, by name.

    Raises:
      RequestError: there is none.
    """
    signatures = model.module.signatures
    if not isinstance(name, str) or name not in signatures:
        raise RequestError(
            f"There is no signature {name!r}; known: "
            f"{', '.join(sorted(signatures))}."
        )
    return signatures[name], signatures[name].structured_input_signature[1]


def compute(
    signature: tf.types.experimental.Callable, inputs: dict[str, tf.Tensor]
) -> dict[str, np.ndarray]:
    """What a signature returns.

    Args:
      signature: and its inputs, of `find_signature`.
      inputs: of the wanted names and types.

    Raises:
      RequestError: with words; the shape is wrong, or what it holds.
    """
    _, wanted = signature.structured_input_signature
    for name, value in inputs.items():
        shape = wanted[name].shape
        if not shape.is_compatible_with(value.shape):
            raise RequestError(
                f"`{name}` must have the shape {shape}; got {value.shape}."
            )
    try:
        outputs = signature(**inputs)
        return {name: value.numpy() for name, value in outputs.items()}
    except tf.errors.OpError as error:
        raise RequestError(error.message) from error
