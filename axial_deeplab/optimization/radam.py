"""Rectified Adam (Liu et al., arXiv:1908.03265)."""

import math
import re
from collections.abc import Iterable

import tensorflow as tf
import tf_keras

_Schedule = tf_keras.optimizers.schedules.LearningRateSchedule

# What weight decay spares: norms, biases and relative-position tables.
NO_WEIGHT_DECAY = (
    r"(^|/)(gamma|beta|bias)$",
    r"(^|/)[a-z]+_position$",
)

# Below this length of the averaged window the second moment is not used.
# The paper says rho > 4, its authors' code and its followers rho >= 5.
RECTIFICATION_THRESHOLD = 5.0


@tf_keras.saving.register_keras_serializable("axial_deeplab")
class RectifiedAdam(tf_keras.optimizers.Optimizer):
    """Adam whose step size is rectified for the variance of its early steps.

    Step t (1 for the first), gradient g, learning rate lr:

        m = beta_1 m + (1 - beta_1) g;    v = beta_2 v + (1 - beta_2) g^2
        m_hat = m / (1 - beta_1^t);       v_hat = v / (1 - beta_2^t)
        rho_t = rho_inf - 2 t beta_2^t / (1 - beta_2^t)
        u = r_t m_hat / (sqrt(v_hat) + epsilon) if rho_t >= 5 else m_hat
        weight -= lr (u + weight_decay * weight)

    (paper, algorithm 2). The weight decay is decoupled from the moments and
    follows the learning rate (arXiv:1711.05101).

    Both optimizer classes of tf_keras were tried. With either of them mixed
    precision, XLA, `tf.distribute`, `tf.train.Checkpoint`, `Model.fit` and
    Model Garden's trainer work. This is the newer one because only its state
    is written to `.keras` files: a legacy optimizer reloaded from there starts
    at step 0 without a word, and so does its warm-up. Model Garden's moving
    average, made for the legacy class, needs only `_get_hyper` besides. As
    with every optimizer of this class, create it in the strategy's scope.

    Args:
      learning_rate: a number or a tf_keras learning-rate schedule.
      beta_1: decay of the first moment, between 0 and 1.
      beta_2: decay of the second moment, between 2/3 and 1.
      epsilon: added to the root of the second moment.
      weight_decay: fraction of the weight that is subtracted, times the
        learning rate; None or 0 is off.
      exclude_patterns: regular expressions, searched in the variable name
        ("layer/kernel"); weight decay spares what one of them matches.
      amsgrad: whether to use the largest second moment so far.
      name: name of the optimizer.
      **kwargs: `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
        `ema_momentum`, `ema_overwrite_frequency`, `jit_compile` of the base
        class. `jit_compile` is off by default: it compiles the step of each
        variable for itself, minutes for a large model.

    Raises:
      ValueError: a beta is out of range.
      TypeError: an unknown argument, or a schedule of Keras 3.
    """

    def __init__(
        self,
        learning_rate: float | _Schedule = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        exclude_patterns: Iterable[str] = NO_WEIGHT_DECAY,
        amsgrad: bool = False,
        name: str = "RectifiedAdam",
        **kwargs,
    ):
        _check_arguments(learning_rate, beta_1, beta_2, kwargs)
        kwargs.setdefault("jit_compile", False)
        # The base class takes None for off; 0 costs it a pass over the weights.
        super().__init__(name, weight_decay=weight_decay or None, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.exclude_patterns = tuple(exclude_patterns)
        self.amsgrad = amsgrad
        self._learning_rate = self._build_learning_rate(learning_rate)
        # Set once a step, next to the learning rate, and read by every
        # variable: u = first * m / (second * sqrt(v) + offset).
        self._coefficients = tf.Variable([0.0, 0.0, 1.0], trainable=False)

    def build(self, var_list: list[tf.Variable]):
        super().build(var_list)
        if getattr(self, "_built", False):
            return
        self._built = True
        self._first_moments = self._add_slots(var_list, "m")
        self._second_moments = self._add_slots(var_list, "v")
        if self.amsgrad:
            self._largest_moments = self._add_slots(var_list, "vhat")

    def _add_slots(self, var_list, name: str) -> list[tf.Variable]:
        return [self.add_variable_from_reference(v, name) for v in var_list]

    def _compute_current_learning_rate(self):
        super()._compute_current_learning_rate()
        # Always float32: a float16 step counter would end at 65504.
        step = tf.cast(self.iterations + 1, tf.float32)
        self._coefficients.assign(self._step_coefficients(step))

    def _step_coefficients(self, step: tf.Tensor) -> tf.Tensor:
        first, second = self._bias_corrections(step)
        length, rectifier = rectification(step, self.beta_2)
        return tf.where(
            length >= RECTIFICATION_THRESHOLD,
            tf.stack([first * rectifier, second, self.epsilon]),
            tf.stack([first, 0.0, 1.0]),
        )

    def _bias_corrections(self, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Factors of m, and of the root of v."""
        first = 1.0 / _one_minus_power(self.beta_1, step)
        return first, tf.math.rsqrt(_one_minus_power(self.beta_2, step))

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable):
        rate = tf.cast(self.learning_rate, variable.dtype)
        variable.assign_sub(rate * self._update(gradient, variable))

    def _update(self, gradient: tf.Tensor, variable: tf.Variable) -> tf.Tensor:
        """Moves the moments; what is then subtracted, times the rate."""
        index = self._index_dict[self._var_key(variable)]
        m, v = self._first_moments[index], self._second_moments[index]
        m.assign(self.beta_1 * m + (1.0 - self.beta_1) * gradient)
        v.assign(self.beta_2 * v + (1.0 - self.beta_2) * tf.square(gradient))
        if self.amsgrad:
            largest = self._largest_moments[index]
            largest.assign(tf.maximum(largest, v))
            v = largest
        coefficients = tf.cast(self._coefficients, variable.dtype)
        first, second, offset = tf.unstack(coefficients)
        return first * m / (second * tf.sqrt(v) + offset)

    def _use_weight_decay(self, variable: tf.Variable) -> bool:
        name = plain_name(variable)
        return super()._use_weight_decay(variable) and not any(
            re.search(pattern, name) for pattern in self.exclude_patterns
        )

    def _deduplicate_sparse_grad(self, grads):
        return [dense_gradient(grad) for grad in grads]

    def _get_hyper(self, name: str, dtype: tf.DType | None = None):
        # What Model Garden's ExponentialMovingAverage reads.
        value = getattr(self, f"_{name}")
        return tf.cast(value, dtype) if dtype else value

    def get_config(self) -> dict:
        return super().get_config() | {
            "learning_rate": self._serialize_hyperparameter(
                self._learning_rate
            ),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "exclude_patterns": list(self.exclude_patterns),
            "amsgrad": self.amsgrad,
        }


def plain_name(variable: tf.Variable) -> str:
    """The name "a/bias", also of "a/bias/replica_1:0" on a second device."""
    return re.sub(r"(/replica_\d+)?(:\d+)?$", "", variable.name)


def rectification(
    step: tf.Tensor, beta_2: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Length rho_t of the averaged window and rectifier r_t (algorithm 2).

    Args:
      step: float32 scalar, 1 for the first step.
      beta_2: decay of the second moment.

    Returns:
      Two float32 scalars; the second is meaningful where the first exceeds 4.
    """
    # With x = -t ln(beta_2) the definition reads
    # rho_t = rho_inf - 2 / -ln(beta_2) * x / (e^x - 1). It subtracts two
    # numbers near 2000 to get one near 5, which float32 does not bear; so take
    # 1 - x / (e^x - 1) instead, by its power series where it is small.
    # (float64 would do as well, but is emulated on TPUs.)
    rate = -math.log(beta_2)
    x = rate * step
    series = x / 2 - x**2 / 12 + x**4 / 720 - x**6 / 30240
    growth = tf.where(x < 0.5, series, 1.0 - x / tf.math.expm1(x))
    longest = 2.0 / (1.0 - beta_2) - 1.0
    length = 2.0 / rate * growth + (longest - 2.0 / rate)
    square = (length - 4.0) * (length - 2.0) / length
    square *= longest / ((longest - 4.0) * (longest - 2.0))
    return length, tf.sqrt(tf.maximum(square, 0.0))


def dense_gradient(grad: tf.Tensor | tf.IndexedSlices) -> tf.Tensor:
    """A sparse gradient (of a gathered table) as a dense tensor.

    Momentum moves every row in any case, and the stock handling of repeated
    rows needs `tf.unique`, whose output has no static shape for a TPU.
    """
    if not isinstance(grad, tf.IndexedSlices):
        return grad
    return tf.math.unsorted_segment_sum(
        grad.values, grad.indices, grad.dense_shape[0]
    )


def _one_minus_power(beta: float, step: tf.Tensor) -> tf.Tensor:
    """1 - beta^step without the cancellation at small steps."""
    return -tf.math.expm1(math.log(beta) * step)


def _check_arguments(learning_rate, beta_1, beta_2, other: dict):
    # rho_inf = 2 / (1 - beta_2) - 1 must be able to pass the threshold of 5.
    if not (0 < beta_1 < 1 and 2 / 3 < beta_2 < 1):
        raise ValueError(
            "`beta_1` must lie in (0, 1) and `beta_2` in (2/3, 1), below which "
            f"no step is ever rectified; got {beta_1=}, {beta_2=}."
        )
    if "lr" in other:
        raise TypeError("`lr` is not an argument; use `learning_rate`.")
    if type(learning_rate).__module__.split(".")[0] == "keras":
        raise TypeError(
            f"{type(learning_rate).__name__} is a Keras 3 schedule; use the "
            "one of tf_keras.optimizers.schedules."
        )
