"""Lookahead (Zhang et al., arXiv:1907.08610)."""

import tensorflow as tf
import tf_keras

from axial_deeplab.optimization.radam import dense_gradient

_Optimizer = tf_keras.optimizers.Optimizer


@tf_keras.saving.register_keras_serializable("axial_deeplab")
class Lookahead(_Optimizer):
    """Lets an optimizer run ahead and follows it with slow weights.

    On every step that `sync_period` divides, the slow weights move by
    `slow_step_size` towards the weights, and the weights are set to them
    (paper, algorithm 1). The slow weights start at the initial weights; the
    moments of the inner optimizer are kept.

    Step counter, learning rate, weight decay and clipping are those of the
    inner optimizer. Wrap `tf_keras.mixed_precision.LossScaleOptimizer` and
    moving averages around Lookahead, not the other way round.

    Args:
      optimizer: the inner tf_keras optimizer, such as `RectifiedAdam`.
      sync_period: steps from one synchronisation to the next (k).
      slow_step_size: step of the slow weights, between 0 and 1 (alpha).
      name: name of the optimizer.
      **kwargs: `use_ema`, `ema_momentum`, `ema_overwrite_frequency`,
        `jit_compile` (off by default) of the base class.

    Raises:
      TypeError: `optimizer` is not a tf_keras optimizer of the newer class,
        applies gradients in a way of its own, or an argument that belongs to
        the inner optimizer was given.
      ValueError: `sync_period` or `slow_step_size` is out of range.
    """

    def __init__(
        self,
        optimizer: _Optimizer,
        sync_period: int = 6,
        slow_step_size: float = 0.5,
        name: str = "Lookahead",
        **kwargs,
    ):
        _check_inner(optimizer)
        _check_arguments(sync_period, slow_step_size, kwargs)
        self._optimizer = optimizer  # before the base asks for the counter
        kwargs.setdefault("jit_compile", False)
        super().__init__(name, weight_decay=None, **kwargs)
        self.sync_period, self.slow_step_size = sync_period, slow_step_size
        # Set once a step and read by every variable.
        self._is_due = tf.Variable(False, trainable=False)

    @property
    def inner_optimizer(self) -> _Optimizer:
        """The wrapped optimizer."""
        return self._optimizer

    def build(self, var_list: list[tf.Variable]):
        super().build(var_list)
        self._optimizer.build(var_list)
        if getattr(self, "_built", False):
            return
        self._built = True
        self._slow_weights = [
            self.add_variable_from_reference(var, "slow", initial_value=var)
            for var in var_list
        ]

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable):
        self._optimizer.update_step(gradient, variable)
        slow = self._slow_weights[self._index_dict[self._var_key(variable)]]
        moved = slow + self.slow_step_size * (variable - slow)
        slow.assign(tf.where(self._is_due, moved, slow))
        variable.assign(tf.where(self._is_due, moved, variable))

    def _compute_current_learning_rate(self):
        self._optimizer._compute_current_learning_rate()
        step = self.iterations + 1
        self._is_due.assign(tf.equal(step % self.sync_period, 0))

    def _apply_weight_decay(self, variables):
        self._optimizer._apply_weight_decay(variables)

    def _clip_gradients(self, grads):
        return self._optimizer._clip_gradients(grads)

    def _deduplicate_sparse_grad(self, grads):
        return [dense_gradient(grad) for grad in grads]

    def _create_iteration_variable(self):
        # The inner optimizer counts; Keras' loaders look for the counter here.
        self._iterations = self._optimizer.iterations
        self._variables.append(self._iterations)

    @property
    def iterations(self) -> tf.Variable:
        return self._optimizer.iterations

    @iterations.setter
    def iterations(self, variable: tf.Variable):
        self._optimizer.iterations = variable
        self._iterations = variable

    @property
    def learning_rate(self) -> tf.Variable:
        return self._optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float):
        self._optimizer.learning_rate = value

    def _get_hyper(self, name: str, dtype: tf.DType | None = None):
        return self._optimizer._get_hyper(name, dtype)

    def get_config(self) -> dict:
        config = super().get_config()
        for name in _INNER_ARGUMENTS:
            del config[name]
        return config | {
            "optimizer": tf_keras.optimizers.serialize(self._optimizer),
            "sync_period": self.sync_period,
            "slow_step_size": self.slow_step_size,
        }

    @classmethod
    def from_config(
        cls, config: dict, custom_objects: dict | None = None
    ) -> "Lookahead":
        inner = tf_keras.optimizers.deserialize(
            config["optimizer"], custom_objects=custom_objects
        )
        return cls(**(config | {"optimizer": inner}))


_INNER_ARGUMENTS = ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm")


def _check_inner(optimizer):
    kind = f"{type(optimizer).__module__}.{type(optimizer).__name__}"
    if not isinstance(optimizer, _Optimizer):
        raise TypeError(
            "Lookahead wraps a tf_keras.optimizers.Optimizer (not a legacy or "
            f"Keras 3 one), such as RectifiedAdam; got {kind}."
        )
    if type(optimizer).apply_gradients is not _Optimizer.apply_gradients:
        raise TypeError(
            f"Lookahead cannot wrap {kind}, which applies gradients in a way "
            "of its own; wrap that around Lookahead instead."
        )


def _check_arguments(sync_period: int, slow_step_size: float, other: dict):
    if sync_period < 1 or not 0 < slow_step_size <= 1:
        raise ValueError(
            "`sync_period` must be at least 1 and `slow_step_size` in (0, 1]; "
            f"got {sync_period=}, {slow_step_size=}."
        )
    if misplaced := [name for name in _INNER_ARGUMENTS if name in other]:
        raise TypeError(f"Give {misplaced} to the inner optimizer.")
