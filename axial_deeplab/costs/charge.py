"""What an entry of the table of layers returns, and what entries share."""

import collections
import math
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from axial_deeplab.costs.cost import Cost

Shape = tf.TensorShape


class Charge(NamedTuple):
    """The shape of a layer's output, and what the layer costs.

    `parts` are layers inside, with the shapes of their inputs, that are
    charged on their own.
    """

    output: Shape
    cost: Cost
    parts: tuple[tuple[tf_keras.layers.Layer, Shape], ...] = ()


def pixels(shape: Shape) -> int:
    """Of a map [B, H, W, C]."""
    return math.prod(shape[:3])


def size(weight: tf.Variable) -> int:
    """Number of scalars."""
    return math.prod(weight.shape)


def counts(**weights: list[tf.Variable]) -> collections.Counter:
    """Scalars by kind."""
    return collections.Counter(
        {kind: sum(map(size, some)) for kind, some in weights.items()}
    )
