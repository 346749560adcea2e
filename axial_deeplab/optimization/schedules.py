"""Learning-rate schedules."""

import math

import tensorflow as tf
import tf_keras


@tf_keras.saving.register_keras_serializable("axial_deeplab")
class WarmUpPoly(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then polynomial decay at the absolute step.

    With base rate b, end rate e, W warm-up and N total steps:

        rate(t) = b * t / W                                for t < W
        rate(t) = (b - e) * (1 - min(t, N) / N)^power + e  otherwise

    The decay counts from step 0, not from the end of the warm-up, so the rate
    peaks at t = W just below b. This is the schedule of the Panoptic-DeepLab
    recipes that Axial-DeepLab inherits (arXiv:2003.07853, section 4).

    Steps are counted in float32: exact up to 2^24, beyond to 1e-7 of the step.

    Args:
      base_learning_rate: b.
      total_steps: N, the length of the whole training, warm-up included.
      warmup_steps: W; 0 starts at b.
      power: exponent of the decay.
      end_learning_rate: e, kept after step N.

    Raises:
      ValueError: one of the first two is None, total_steps is not positive,
        or warmup_steps is negative or larger than total_steps.
    """

    def __init__(
        self,
        base_learning_rate: float,
        total_steps: int,
        warmup_steps: int = 0,
        power: float = 0.9,
        end_learning_rate: float = 0.0,
        name: str = "WarmUpPoly",
    ):
        if base_learning_rate is None or total_steps is None:
            raise ValueError(
                "`base_learning_rate` and `total_steps` must be set; got "
                f"{base_learning_rate=}, {total_steps=}."
            )
        if total_steps <= 0 or not 0 <= warmup_steps <= total_steps:
            raise ValueError(
                "`total_steps` must be positive and `warmup_steps` between 0 "
                f"and `total_steps`; got {total_steps=}, {warmup_steps=}."
            )
        super().__init__()
        self.base_learning_rate = base_learning_rate
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.power = power
        self.end_learning_rate = end_learning_rate
        self.name = name

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Learning rate of a step (0 is the first), a float32 scalar."""
        with tf.name_scope(self.name):
            step = tf.cast(step, tf.float32)
            rate = self._decayed(step)
            if not self.warmup_steps:
                return rate
            return self._warmed_up(step, rate)

    def _warmed_up(self, step: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        warm_up = self.base_learning_rate * step / self.warmup_steps
        return tf.where(step < self.warmup_steps, warm_up, rate)

    def _decayed(self, step: tf.Tensor) -> tf.Tensor:
        # Subtracting whole steps first keeps the last rates exact.
        left = tf.maximum(self.total_steps - step, 0.0) / self.total_steps
        fall = self.base_learning_rate - self.end_learning_rate
        return fall * left**self.power + self.end_learning_rate

    def get_config(self) -> dict:
        return {
            "base_learning_rate": self.base_learning_rate,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "power": self.power,
            "end_learning_rate": self.end_learning_rate,
            "name": self.name,
        }


# Share of the decayed rate that the first step has.
_FIRST_SHARE = 1e-6


@tf_keras.saving.register_keras_serializable("axial_deeplab")
class WarmUpTimesPoly(WarmUpPoly):
    """Polynomial decay from the first step on, times a linear warm-up.

    With base rate b, end rate e, W warm-up and N total steps:

        poly(t) = (b - e) * (1 - min(t, N) / N)^power + e
        rate(t) = poly(t) * (1 - (1 - t / W) (1 - 1e-6))  for t < W
        rate(t) = poly(t)                                 otherwise

    (The public configurations of arXiv:2209.08575, with power 1 and W = 1500.)
    Arguments are those of `WarmUpPoly`.
    """

    def _warmed_up(self, step: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        share = tf.minimum(step / self.warmup_steps, 1.0)
        # As (1 - (1 - share) (1 - 1e-6)), without its cancellation.
        return rate * (share + (1.0 - share) * _FIRST_SHARE)


@tf_keras.saving.register_keras_serializable("axial_deeplab")
class WarmUpCosine(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then a cosine from its end to 0.

    With batch size B, base rate b, W warm-up and N total steps:

        p = b * B / 256
        rate(t) = p * t / W                                      for t < W
        rate(t) = p * (1 + cos(pi * (min(t, N) - W) / (N - W))) / 2  otherwise

    The base rate is that of 256 images; a larger batch takes proportionally
    larger steps (arXiv:1706.02677, section 2.1). This is the schedule of the
    ImageNet recipe of arXiv:1906.05909 and arXiv:2003.07853.

    Args:
      base_learning_rate: b.
      total_steps: N, the length of the whole training, warm-up included.
      warmup_steps: W; 0 starts at p.
      batch_size: B, over all replicas.

    Raises:
      ValueError: one of the first two or the batch size is None,
        total_steps is not positive, or warmup_steps is negative or not below
        total_steps.
    """

    def __init__(
        self,
        base_learning_rate: float,
        total_steps: int,
        warmup_steps: int = 0,
        batch_size: int = 256,
        name: str = "WarmUpCosine",
    ):
        if None in (base_learning_rate, total_steps, batch_size):
            raise ValueError(
                "`base_learning_rate`, `total_steps` and `batch_size` must be "
                f"set; got {base_learning_rate=}, {total_steps=}, "
                f"{batch_size=}."
            )
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(
                "`warmup_steps` must be at least 0 and below `total_steps`; "
                f"got {warmup_steps=}, {total_steps=}."
            )
        super().__init__()
        self.base_learning_rate = base_learning_rate
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.batch_size = batch_size
        self.name = name

    @property
    def peak(self) -> float:
        """The rate at the end of the warm-up."""
        return self.base_learning_rate * self.batch_size / 256

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """Learning rate of a step (0 is the first), a float32 scalar."""
        with tf.name_scope(self.name):
            step = tf.cast(step, tf.float32)
            length = self.total_steps - self.warmup_steps
            # Counted from the end, where the rate is small: exactly 0 there.
            left = tf.maximum(self.total_steps - step, 0.0) / length
            rate = self.peak * tf.sin(math.pi / 2 * left) ** 2
            if not self.warmup_steps:
                return rate
            warm_up = self.peak * step / self.warmup_steps
            return tf.where(step < self.warmup_steps, warm_up, rate)

    def get_config(self) -> dict:
        return {
            "base_learning_rate": self.base_learning_rate,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "batch_size": self.batch_size,
            "name": self.name,
        }
