"""Activations by name, as configs store them."""

import tensorflow as tf


def hard_swish(x: tf.Tensor) -> tf.Tensor:
    """X * relu6(x + 3) / 6 (arXiv:1905.02244, section 5.2)."""
    return x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)


ACTIVATIONS = {"relu": tf.nn.relu, "hard_swish": hard_swish}


def check_activation(name: str) -> None:
    """Refuses unknown names.

    Raises:
      ValueError: the name is unknown.
    """
    if name not in ACTIVATIONS:
        raise ValueError(
            f"`activation` must be {' or '.join(ACTIVATIONS)}; got {name!r}."
        )


def activate(x: tf.Tensor, name: str) -> tf.Tensor:
    """Applies the activation of this name."""
    return ACTIVATIONS[name](x)
