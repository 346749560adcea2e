"""Makes this package's optimizer and schedule known to Model Garden.

Importing this module registers the optimizer type "radam_lookahead" and the
learning-rate types "warmup_poly" and "warmup_cosine" with Model Garden's
optimizer factory. A trainer configuration that can choose them is
`TrainerConfig`; in YAML:

    trainer:
      optimizer_config:
        optimizer:
          type: radam_lookahead
          radam_lookahead: {weight_decay: 0.0, global_clipnorm: 10.0}
        learning_rate:
          type: warmup_poly
          warmup_poly:
            base_learning_rate: 0.001
            warmup_steps: 2000
        ema: {average_decay: 0.9999}

Leave `warmup` out: the schedules bring their own. (Model Garden's "linear"
warm-up over "polynomial" is another schedule: it ends where the decay stands
by then and rises to that value in a straight line.)
"""

import dataclasses

import tensorflow as tf
import tf_keras
from official.core import config_definitions
from official.modeling import optimization
from official.modeling.hyperparams import base_config
from official.modeling.optimization import optimizer_factory

from axial_deeplab.optimization import (
    GroupedAdamW,
    Lookahead,
    RectifiedAdam,
    WarmUpCosine,
    WarmUpPoly,
    WarmUpTimesPoly,
)
from axial_deeplab.optimization.grouped_adamw import (
    SEGNEXT_NO_DECAY,
    SEGNEXT_RATES,
)
from axial_deeplab.optimization.radam import NO_WEIGHT_DECAY


@dataclasses.dataclass
class RadamLookaheadConfig(optimization.BaseOptimizerConfig):
    """Arguments of `RectifiedAdam` and of the `Lookahead` around it."""

    name: str = "RadamLookahead"
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    weight_decay: float = 0.0
    exclude_patterns: list[str] = dataclasses.field(
        default_factory=lambda: list(NO_WEIGHT_DECAY)
    )
    sync_period: int = 6
    slow_step_size: float = 0.5


@dataclasses.dataclass
class GroupedAdamWConfig(optimization.BaseOptimizerConfig):
    """Arguments of `GroupedAdamW`.

    `rate_patterns` and `rate_factors` are keys and values of its `rates`.
    """

    name: str = "GroupedAdamW"
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01
    exclude_patterns: list[str] = dataclasses.field(
        default_factory=lambda: list(SEGNEXT_NO_DECAY)
    )
    rate_patterns: list[str] = dataclasses.field(
        default_factory=lambda: list(SEGNEXT_RATES)
    )
    rate_factors: list[float] = dataclasses.field(
        default_factory=lambda: list(SEGNEXT_RATES.values())
    )


@dataclasses.dataclass
class WarmUpPolyConfig(base_config.Config):
    """Arguments of `WarmUpPoly`; the base rate must be set.

    `total_steps` defaults to the experiment's `trainer.train_steps`.
    """

    name: str = "WarmUpPoly"
    base_learning_rate: float | None = None
    total_steps: int | None = None
    warmup_steps: int = 0
    power: float = 0.9
    end_learning_rate: float = 0.0


@dataclasses.dataclass
class WarmUpTimesPolyConfig(WarmUpPolyConfig):
    """Arguments of `WarmUpTimesPoly`."""

    name: str = "WarmUpTimesPoly"
    power: float = 1.0


@dataclasses.dataclass
class WarmUpCosineConfig(base_config.Config):
    """Arguments of `WarmUpCosine`; the base rate, of 256 images, must be set.

    `total_steps` defaults to the experiment's `trainer.train_steps`,
    `batch_size` to its `task.train_data.global_batch_size`.
    """

    name: str = "WarmUpCosine"
    base_learning_rate: float | None = None
    total_steps: int | None = None
    warmup_steps: int = 0
    batch_size: int | None = None


@dataclasses.dataclass
class OptimizerConfig(optimization.OptimizerConfig):
    """Model Garden's optimizers and ours."""

    radam_lookahead: RadamLookaheadConfig = dataclasses.field(
        default_factory=RadamLookaheadConfig
    )
    grouped_adamw: GroupedAdamWConfig = dataclasses.field(
        default_factory=GroupedAdamWConfig
    )


@dataclasses.dataclass
class LrConfig(optimization.LrConfig):
    """Model Garden's learning rates and ours."""

    warmup_poly: WarmUpPolyConfig = dataclasses.field(
        default_factory=WarmUpPolyConfig
    )
    warmup_times_poly: WarmUpTimesPolyConfig = dataclasses.field(
        default_factory=WarmUpTimesPolyConfig
    )
    warmup_cosine: WarmUpCosineConfig = dataclasses.field(
        default_factory=WarmUpCosineConfig
    )


@dataclasses.dataclass
class OptimizationConfig(optimization.OptimizationConfig):
    """Optimizer, learning rate, warm-up and moving average."""

    optimizer: OptimizerConfig = dataclasses.field(
        default_factory=OptimizerConfig
    )
    learning_rate: LrConfig = dataclasses.field(default_factory=LrConfig)


@dataclasses.dataclass
class TrainerConfig(config_definitions.TrainerConfig):
    """Model Garden's trainer with these optimizers to choose from.

    A batch goes through the model in `accumulation_steps` parts (see
    `optimization.micro_batches`). A loss that is NaN or above
    `loss_upper_bound` restores the last checkpoint `recovery_max_trials`
    times, then ends the training.
    """

    accumulation_steps: int = 1
    recovery_max_trials: int = 3

    optimizer_config: OptimizationConfig = dataclasses.field(
        default_factory=OptimizationConfig
    )


def radam_lookahead(
    learning_rate: float | tf_keras.optimizers.schedules.LearningRateSchedule,
    sync_period: int = 6,
    slow_step_size: float = 0.5,
    name: str = "RadamLookahead",
    **rectified_adam,
) -> Lookahead:
    """Lookahead around RectifiedAdam, which gets all other arguments."""
    return Lookahead(
        RectifiedAdam(learning_rate, **rectified_adam),
        sync_period,
        slow_step_size,
        name=name,
    )


def grouped_adamw(
    learning_rate: float | tf_keras.optimizers.schedules.LearningRateSchedule,
    rate_patterns: list[str],
    rate_factors: list[float],
    **adamw,
) -> GroupedAdamW:
    """`GroupedAdamW` from what a configuration can hold.

    Raises:
      ValueError: there are not as many factors as patterns.
    """
    if len(rate_patterns) != len(rate_factors):
        raise ValueError(
            "`rate_patterns` and `rate_factors` must have equal lengths; got "
            f"{list(rate_patterns)} and {list(rate_factors)}."
        )
    rates = dict(zip(rate_patterns, rate_factors, strict=True))
    return GroupedAdamW(learning_rate, rates=rates, **adamw)


class AverageOfScaled(optimization.ExponentialMovingAverage):
    """Model Garden's moving average, around an optimizer that scales the loss.

    Model Garden scales around the average, where nobody finds it any more.
    """

    @property
    def learning_rate(self) -> tf.Tensor | tf.Variable:
        return self._optimizer.learning_rate


def loss_scaler(
    optimizer: tf_keras.optimizers.Optimizer,
) -> tf_keras.mixed_precision.LossScaleOptimizer | None:
    """This optimizer, or that in a moving average, if it scales losses."""
    optimizer = _inside_average(optimizer)
    kind = tf_keras.mixed_precision.LossScaleOptimizer
    return optimizer if isinstance(optimizer, kind) else None


def _inside_average(
    optimizer: tf_keras.optimizers.Optimizer,
) -> tf_keras.optimizers.Optimizer:
    """What Model Garden's moving average wraps, or else the optimizer."""
    if isinstance(optimizer, optimization.ExponentialMovingAverage):
        return optimizer._optimizer
    return optimizer


def create_variables(
    optimizer: tf_keras.optimizers.Optimizer, model: tf_keras.Model
) -> None:
    """Makes the variables of an optimizer before its first step.

    Then the training step is traced once, not twice, and a checkpoint
    restores all of them at once.
    """
    optimizer = _inside_average(optimizer)
    is_legacy = isinstance(optimizer, tf_keras.optimizers.legacy.Optimizer)
    create = optimizer._create_all_weights if is_legacy else optimizer.build
    create(model.trainable_variables)


optimization.register_optimizer_cls("radam_lookahead", radam_lookahead)
optimization.register_optimizer_cls("grouped_adamw", grouped_adamw)
# There is no function for learning rates; the factory looks into this dict.
optimizer_factory.LR_CLS |= {
    "warmup_poly": WarmUpPoly,
    "warmup_times_poly": WarmUpTimesPoly,
    "warmup_cosine": WarmUpCosine,
}
