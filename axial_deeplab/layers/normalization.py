"""Batch normalisation from moments, synchronised across replicas.

Axial attention normalises tensors that it would rather not store (the logits),
so its norms take moments instead of values: `MomentNorm` turns a sum, a sum of
squares and a count into one factor and one offset; maps that are stored anyway
it can normalise by the fused kernel. `BatchNorm` is the same norm for feature
maps. Both keep the biased variance, on one replica as on
several (fused kernels alone would keep the unbiased one), so that training on
two replicas leaves the moving statistics of training on one.
"""

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, Options, register


@register
@dataclasses.dataclass(frozen=True)
class NormOptions(Options):
    """Constants of every batch norm; the defaults are deeplab2's."""

    momentum: float = 0.99
    epsilon: float = 1e-3


_statistics_frozen = contextvars.ContextVar("statistics_frozen", default=False)


@contextlib.contextmanager
def frozen_statistics() -> Iterator[None]:
    """Training mode without updates of moving statistics.

    For the second call of layers whose activations are computed again.
    """
    token = _statistics_frozen.set(True)
    try:
        yield
    finally:
        _statistics_frozen.reset(token)


class Moments(NamedTuple):
    """Sums over the normalised axes, in float32; `count` is a scalar."""

    total: tf.Tensor
    square_total: tf.Tensor
    count: tf.Tensor


def sum_over_replicas(moments: Moments) -> Moments:
    """Moments of the global batch (differentiable all-reduce)."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return moments
    reduced = context.all_reduce(tf.distribute.ReduceOp.SUM, list(moments))
    return Moments(*reduced)


def is_alone() -> bool:
    """Whether there is one replica, which needs nobody else's moments."""
    return tf.distribute.get_strategy().num_replicas_in_sync == 1


@register
class MomentNorm(Configurable, tf_keras.layers.Layer):
    """Factor and offset that normalise a tensor with the given moments.

    Args:
      shape: shape of gamma, beta and the moving statistics.
      options: momentum and epsilon.
      gamma_initializer: initializer of gamma.
    """

    def __init__(
        self,
        shape: tuple[int, ...] | None,
        options: NormOptions | None = None,
        gamma_initializer: str = "ones",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.shape = tuple(shape) if shape else None
        self.options = options or NormOptions()
        self.gamma_initializer = gamma_initializer

    def build(self, input_shape) -> None:
        self._add_weights(self.shape)
        self.built = True

    def _add_weights(self, shape: tuple[int, ...]) -> None:
        def add(name: str, initializer: str, trainable: bool) -> tf.Variable:
            on_read = tf.VariableSynchronization.ON_READ
            auto = tf.VariableSynchronization.AUTO
            mean = tf.VariableAggregation.MEAN
            none = tf.VariableAggregation.NONE
            return self.add_weight(
                name,
                shape,
                dtype=tf.float32,
                initializer=initializer,
                trainable=trainable,
                synchronization=auto if trainable else on_read,
                aggregation=none if trainable else mean,
                experimental_autocast=False,
            )

        self.gamma = add("gamma", self.gamma_initializer, True)
        self.beta = add("beta", "zeros", True)
        self.moving_mean = add("moving_mean", "zeros", False)
        self.moving_variance = add("moving_variance", "ones", False)

    def call(
        self, moments: Moments | None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """(factor, offset) with norm(x) = factor * x + offset.

        `moments` are this replica's sums; they may be None in inference.
        """
        mean, variance = self.moving_mean, self.moving_variance
        if training and self.trainable:
            total, squares, count = sum_over_replicas(moments)
            mean = total / count
            variance = tf.nn.relu(squares / count - tf.square(mean))
            self._update(mean, variance)
        factor = self.gamma * tf.math.rsqrt(variance + self.options.epsilon)
        return factor, self.beta - mean * factor

    def affine(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Flat (factor, offset) of inference, to fold into what is around."""
        factor, offset = MomentNorm.call(self, None)
        return tf.reshape(factor, [-1]), tf.reshape(offset, [-1])

    def normalise(
        self, maps: Sequence[tf.Tensor], shifts: tf.Tensor | float = 0.0
    ) -> list[tf.Tensor]:
        """Maps [B, H, W, C], each by its row of the weights, in training.

        By the fused kernel, which knows the pixels of one replica alone.
        `shifts` [maps, C] were subtracted from the maps, and are still part
        of their moving means.
        """
        gammas, betas = (
            tf.unstack(tf.reshape(x, [len(maps), -1]))
            for x in (self.gamma, self.beta)
        )
        found = [
            tf.compat.v1.nn.fused_batch_norm(
                *given, epsilon=self.options.epsilon, is_training=True
            )
            for given in zip(maps, gammas, betas, strict=True)
        ]
        normalised, means, variances = zip(*found, strict=True)
        count = _pixel_count(maps[0])
        # The kernel returns the unbiased variance.
        variance = tf.stack(variances) * ((count - 1.0) / count)
        self._update(
            *(
                tf.reshape(x, self.gamma.shape)
                for x in (tf.stack(means) + shifts, variance)
            )
        )
        return list(normalised)

    def _update(self, mean: tf.Tensor, variance: tf.Tensor) -> None:
        if _statistics_frozen.get():
            return
        rate = 1.0 - self.options.momentum
        for moving, batch in (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        ):
            moving.assign_sub(rate * (moving - tf.stop_gradient(batch)))


@register
class BatchNorm(MomentNorm):
    """Normalises the last axis of a [B, H, W, C] feature map.

    One replica uses the fused kernel, several use summed moments; the moving
    variance is the biased one in both.

    Args:
      options: momentum and epsilon.
      gamma_initializer: initializer of gamma.
      shape: shape of the weights, with C entries; None: (C,).
    """

    def __init__(
        self,
        options: NormOptions | None = None,
        gamma_initializer: str = "ones",
        shape: tuple[int, ...] | None = None,
        **kwargs,
    ):
        super().__init__(shape, options, gamma_initializer, **kwargs)

    def build(self, input_shape) -> None:
        self._add_weights(self.shape or (input_shape[-1],))
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        if not (training and self.trainable):
            return self._with_moving_statistics(x)
        if is_alone():
            return self.normalise([x])[0]
        return self._synchronised(x)

    def _synchronised(self, x: tf.Tensor) -> tf.Tensor:
        values = tf.cast(x, tf.float32)
        sums = [
            tf.reshape(tf.reduce_sum(y, [0, 1, 2]), self.gamma.shape)
            for y in (values, tf.square(values))
        ]
        moments = Moments(*sums, _pixel_count(x))
        factor, offset = super().call(moments, True)
        factor, offset = tf.reshape(factor, [-1]), tf.reshape(offset, [-1])
        return tf.cast(values * factor + offset, x.dtype)

    def _with_moving_statistics(self, x: tf.Tensor) -> tf.Tensor:
        weights = (
            tf.reshape(weight, [-1])
            for weight in (
                *(self.gamma, self.beta),
                *(self.moving_mean, self.moving_variance),
            )
        )
        return tf.compat.v1.nn.fused_batch_norm(
            x, *weights, epsilon=self.options.epsilon, is_training=False
        )[0]


def _pixel_count(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), tf.float32)
