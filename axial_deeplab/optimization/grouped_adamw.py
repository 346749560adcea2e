"""AdamW whose rate and decay differ from part to part of a model."""

import re
from collections.abc import Iterable, Mapping

import tensorflow as tf
import tf_keras

from axial_deeplab.optimization.radam import RectifiedAdam, plain_name

_Schedule = tf_keras.optimizers.schedules.LearningRateSchedule

# What the public configurations of SegNeXt really hit: they search for "head"
# and "norm" in names of parameters. The norms of the head have its rule, those
# of the stem have no such names.
SEGNEXT_RATES = {r"^(decoder|head)/": 10.0}
SEGNEXT_NO_DECAY = (r"^backbone/res.*norm/(gamma|beta)$",)


@tf_keras.saving.register_keras_serializable("axial_deeplab")
class GroupedAdamW(RectifiedAdam):
    """Adam with decoupled weight decay (arXiv:1711.05101), rates by pattern.

    Step t (1 for the first), gradient g, rate r = factor * learning_rate:

        m = beta_1 m + (1 - beta_1) g;    v = beta_2 v + (1 - beta_2) g^2
        m_hat = m / (1 - beta_1^t);       v_hat = v / (1 - beta_2^t)
        weight -= r (m_hat / (sqrt(v_hat) + epsilon) + weight_decay * weight)

    tf_keras' own AdamW knows one rate, and adds epsilon to the root of v.

    Args:
      learning_rate: a number or a tf_keras learning-rate schedule.
      beta_1: decay of the first moment, between 0 and 1.
      beta_2: decay of the second moment, between 2/3 and 1.
      epsilon: added to the root of v_hat.
      weight_decay: fraction of the weight that is subtracted, times the rate.
      exclude_patterns: regular expressions, searched in the variable name
        ("layer/kernel"); weight decay spares what one of them matches.
      rates: factor of the learning rate by regular expression; the first one
        that matches counts, 1 is for what none matches.
      name: name of the optimizer.
      **kwargs: as of `RectifiedAdam`.
    """

    def __init__(
        self,
        learning_rate: float | _Schedule = 6e-5,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        exclude_patterns: Iterable[str] = SEGNEXT_NO_DECAY,
        rates: Mapping[str, float] | None = None,
        name: str = "GroupedAdamW",
        **kwargs,
    ):
        super().__init__(
            *(learning_rate, beta_1, beta_2, epsilon, weight_decay),
            exclude_patterns=exclude_patterns,
            name=name,
            **kwargs,
        )
        # Pairs: a dictionary would be tracked, and saved in checkpoints.
        self._rates = tuple((SEGNEXT_RATES if rates is None else rates).items())

    @property
    def rates(self) -> dict[str, float]:
        """Factor of the learning rate by regular expression."""
        return dict(self._rates)

    def rate_factor(self, variable: tf.Variable) -> float:
        """What the learning rate is multiplied with."""
        name = plain_name(variable)
        factors = (f for p, f in self._rates if re.search(p, name))
        return next(factors, 1.0)

    def decays(self, variable: tf.Variable) -> bool:
        """Whether weight decay acts on it."""
        return bool(self.weight_decay) and self._use_weight_decay(variable)

    def _apply_weight_decay(self, variables: list[tf.Variable]) -> None:
        """Nothing: the step of a variable, which knows its rate, does it."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable):
        update = self._update(gradient, variable)
        if self.decays(variable):
            update += self.weight_decay * variable
        rate = tf.cast(self.learning_rate, variable.dtype)
        variable.assign_sub(self.rate_factor(variable) * rate * update)

    def _step_coefficients(self, step: tf.Tensor) -> tf.Tensor:
        first, second = self._bias_corrections(step)
        return tf.stack([first, second, self.epsilon])

    def get_config(self) -> dict:
        config = super().get_config() | {"rates": self.rates}
        del config["amsgrad"]
        return config
