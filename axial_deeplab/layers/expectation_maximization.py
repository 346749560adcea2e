"""Expectation-maximisation attention: a map made of a few bases.

Axes: b batch, n pixels, d depth, k bases.
"""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.depthwise import he_fan_out
from axial_deeplab.layers.group_norm import ConvGroupNormAct

_EPSILON = 1e-6  # of sums over positions


def expectation_maximization(
    x: tf.Tensor, bases: tf.Tensor, rounds: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Soft clusters of pixels, and the map that their means make.

    Args:
      x: [b, n, d], float32.
      bases: [b, d, k] of length 1 over d, where the rounds start.
      rounds: of assignments (softmax over the bases) and means.

    Returns:
      The map [b, n, d] and the last bases [b, d, k].
    """
    for _ in range(rounds):
        shares = tf.nn.softmax(tf.matmul(x, bases))
        mean = shares / (tf.reduce_sum(shares, 1, keepdims=True) + _EPSILON)
        bases = tf.matmul(x, mean, transpose_a=True)
        bases = tf.math.l2_normalize(bases, axis=1, epsilon=1e-24)
    return tf.matmul(shares, bases, transpose_b=True), bases


@register
class ExpectationMaximizationContext(Configurable, tf_keras.layers.Layer):
    """relu(x + norm(W2 relu(E(W1 x + b)))) with the clusters E.

    Input and output [B, H, W, C] (arXiv:1907.13426, without its first
    convolution, which here is the squeeze of the decoder). W1 and b keep their
    initial values, as no gradient goes through the clusters, which run in
    float32. In training the bases follow the mean of the batch's.

    Args:
      bases: how many.
      rounds: of assignments and means.
      momentum: of the bases.
      groups: of the group norm.
    """

    def __init__(
        self,
        bases: int = 64,
        rounds: int = 3,
        momentum: float = 0.9,
        groups: int = 32,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.bases, self.rounds, self.momentum = bases, rounds, momentum
        self.groups = groups

    def build(self, input_shape) -> None:
        channels = input_shape[-1]
        self.kernel = self.add_weight(
            "kernel",
            (channels, channels),
            initializer=he_fan_out(),
            trainable=False,
        )
        self.bias = self.add_weight(
            "bias", (channels,), initializer="zeros", trainable=False
        )
        self.after = ConvGroupNormAct(
            channels, self.groups, activation=False, name="after"
        )
        self.moving_bases = self.add_weight(
            "bases",
            (channels, self.bases),
            dtype=tf.float32,
            initializer=tf_keras.initializers.RandomNormal(
                stddev=(2 / self.bases) ** 0.5
            ),
            trainable=False,
            experimental_autocast=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN,
        )
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        before = tf.matmul(x, self.kernel) + self.bias
        y = tf.nn.relu(tf.stop_gradient(self._clusters(before, training)))
        return tf.nn.relu(x + self.after(y, training=training))

    def _clusters(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        batch, channels = tf.shape(x)[0], x.shape[-1]
        pixels = tf.reshape(tf.cast(x, tf.float32), [batch, -1, channels])
        start = tf.math.l2_normalize(self.moving_bases, axis=0)
        start = tf.repeat(start[tf.newaxis], batch, axis=0)
        y, bases = expectation_maximization(pixels, start, self.rounds)
        if training and self.trainable:
            mean = tf.math.l2_normalize(tf.reduce_mean(bases, 0), axis=0)
            self.moving_bases.assign(
                self.momentum * self.moving_bases
                + (1 - self.momentum) * tf.stop_gradient(mean)
            )
        return tf.reshape(tf.cast(y, x.dtype), tf.shape(x))
