"""Gradient checkpointing: activations computed again instead of stored."""

from collections.abc import Callable

import tensorflow as tf

from axial_deeplab.layers.normalization import frozen_statistics


def recompute_in_gradient(
    function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor
) -> tf.Tensor:
    """`function(x)`, of which only `x` is stored until its gradient.

    The gradient calls `function` a second time, without updates of moving
    statistics. Nothing in it may be random, or the two calls would differ,
    and it must call layers, not their parts, which set their own data types.

    Args:
      function: [...] -> [...]; may use variables.
      x: its argument.
    """

    @tf.custom_gradient
    def run(x):
        def gradient(dy, variables=()):
            # Not before the gradient has come down here: an executor runs
            # whatever has its inputs.
            with tf.control_dependencies([dy]):
                again = tf.identity(x)
            with tf.GradientTape() as tape, frozen_statistics():
                tape.watch(again)
                y = function(again)
            of_x, of_variables = tape.gradient(
                y, (again, list(variables)), output_gradients=dy
            )
            return of_x, of_variables

        return function(x), gradient

    return run(x)
