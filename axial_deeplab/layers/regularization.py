"""Regularising layers."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, register


@register
class DropPath(Configurable, tf_keras.layers.Layer):
    """Drops a whole residual branch per sample in training (arXiv:1603.09382).

    The kept branches are scaled by 1 / (1 - rate).

    Args:
      rate: probability of dropping, in [0, 1).
    """

    def __init__(self, rate: float, **kwargs):
        super().__init__(**kwargs)
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"`rate` must be in [0, 1); got {rate}.")
        self.rate = rate

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, ...] -> [B, ...]."""
        if not training or self.rate == 0.0:
            return x
        shape = [tf.shape(x)[0]] + [1] * (x.shape.rank - 1)
        keep = tf.random.uniform(shape) >= self.rate
        return tf.where(keep, x / (1.0 - self.rate), tf.zeros_like(x))


@register
class LayerScale(Configurable, tf_keras.layers.Layer):
    """One learned factor per channel of a residual branch (arXiv:2103.17239).

    Input and output [..., C].

    Args:
      initial_value: of all factors.
    """

    def __init__(self, initial_value: float = 0.01, **kwargs):
        super().__init__(**kwargs)
        self.initial_value = initial_value

    def build(self, input_shape) -> None:
        self.factor = self.add_weight(
            "factor",
            (input_shape[-1],),
            initializer=tf_keras.initializers.Constant(self.initial_value),
        )
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[..., C] -> [..., C]."""
        del training
        return x * self.factor
