"""What the tasks have in common: a model by name, its start, the step."""

import abc
import pathlib
import types
from typing import Any

import tensorflow as tf
import tf_keras
from absl import logging
from official.core import base_task
from official.core import config_definitions as cfg
from official.modeling import optimization

from axial_deeplab import evaluation
from axial_deeplab.checkpoints.parts import (
    format_outcomes,
    restore_by_part,
    weights_by_part,
)
from axial_deeplab.data.pipeline import TARGETS, WEIGHTS
from axial_deeplab.experiments.evaluation_batches import full_batches
from axial_deeplab.experiments.evaluation_pictures import FOLDER
from axial_deeplab.experiments.optimizers import AverageOfScaled, loss_scaler
from axial_deeplab.experiments.replica_step import (
    NAMES,
    Batch,
    ReplicaStep,
)
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.models.presets import create_model
from axial_deeplab.workers import Workers

REPORT_FILE = "evaluation.json"  # in the model folder


class ImageTask(base_task.Task):
    """Trains `create_model(...)`; subclasses say on what and how to judge it.

    Batches are (images, labels), labels being a dictionary.
    """

    # What an evaluation yields, by name of its curve.
    METRICS: tuple[str, ...] = ()

    def __init__(self, params: cfg.TaskConfig, **kwargs):
        super().__init__(params, **kwargs)
        # Not attributes: tf.Module would wrap dictionaries and lists.
        self._run = types.SimpleNamespace(
            report=None,
            workers=Workers(tf.distribute.get_strategy()),
            step=0,
            model=None,
            pictures=None,
        )

    @property
    def report(self) -> dict[str, Any] | None:
        """Report of the last evaluation, if there was one."""
        return self._run.report

    @property
    def workers(self) -> Workers:
        """Those of the strategy in whose scope the task was made."""
        return self._run.workers

    def resume_at(self, step: int) -> None:
        """`build_inputs` goes on with the training examples of this step."""
        self._run.step = step

    @property
    @abc.abstractmethod
    def num_classes(self) -> int:
        """How many classes the model tells apart."""

    @abc.abstractmethod
    def losses_by_name(
        self, labels: dict[str, Any], model_outputs: Any
    ) -> dict[str, tf.Tensor]:
        """Each loss of this replica's batch, weighted."""

    @abc.abstractmethod
    def check_data(self, params: cfg.DataConfig) -> None:
        """Reads some records, before the work begins.

        Raises:
          ValueError: there are none, or one is unfit.
        """

    def scores_by_name(
        self, labels: dict[str, Any], model_outputs: Any
    ) -> dict[str, tf.Tensor]:
        """What is shown of a training batch beside its losses."""
        del labels, model_outputs
        return {}

    @staticmethod
    @abc.abstractmethod
    def format_report(report: dict[str, Any]) -> str:
        """A report as a table for people."""

    @classmethod
    def create_optimizer(
        cls,
        optimizer_config: optimization.OptimizationConfig,
        runtime_config: cfg.RuntimeConfig | None = None,
        dp_config: Any = None,
    ) -> tf_keras.optimizers.Optimizer:
        """Model Garden's, its moving average outermost."""
        average = optimizer_config.ema
        without = optimizer_config.replace(ema=None)
        optimizer = super().create_optimizer(without, runtime_config, dp_config)
        if not average:
            return optimizer
        kind = optimization.ExponentialMovingAverage
        if loss_scaler(optimizer):
            kind = AverageOfScaled
        return kind(optimizer, **average.as_dict())

    def build_model(self) -> tf_keras.Model:
        """The model of the configuration, with its weights."""
        options = self.task_config.model.as_dict()
        norm = NormOptions(
            momentum=options.pop("norm_momentum"),
            epsilon=options.pop("norm_epsilon"),
        )
        # None is the model's own value; not every family has each option.
        given = {k: v for k, v in options.items() if v is not None}
        self._run.model = create_model(
            num_classes=self.num_classes, norm=norm, **given
        )
        return self._run.model

    def initialize(self, model: tf_keras.Model) -> None:
        """Restores `init_checkpoint_modules` from `init_checkpoint`, if set.

        Raises:
          FileNotFoundError: there is no such checkpoint.
          ValueError: it does not fit, or the model has no such part.
        """
        config = self.task_config
        if not config.init_checkpoint:
            return
        parts = weights_by_part(model)
        for name in config.init_checkpoint_modules:
            if name not in parts:
                raise ValueError(
                    "task.init_checkpoint_modules must be some of "
                    f"{', '.join(parts)}; got {name!r}."
                )
        outcomes = restore_by_part(
            config.init_checkpoint, model, config.init_checkpoint_modules
        )
        logging.info(
            "%s:\n%s", config.init_checkpoint, format_outcomes(outcomes)
        )

    def build_losses(
        self,
        labels: dict[str, Any],
        model_outputs: Any,
        aux_losses: list[tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Mean loss of this replica's batch."""
        losses = self.losses_by_name(labels, model_outputs)
        return tf.add_n([*losses.values(), *(aux_losses or [])])

    def train_step(
        self,
        inputs: Batch,
        model: tf_keras.Model,
        optimizer: tf_keras.optimizers.Optimizer,
        metrics: list[tf_keras.metrics.Metric] | None = None,
        micro_batches: int = 1,
    ) -> dict[str, tf.Tensor]:
        """One update of the weights on this replica's share of the batch.

        Args:
          inputs: images and labels; their entry `NAMES` is left alone.
          model: what to train.
          optimizer: what moves its weights.
          metrics: those of `build_metrics`.
          micro_batches: parts in which the share goes through the model, see
            `optimization.micro_batches`.

        Returns:
          The loss, and whether the step was finite (of scaled losses, which
          overflow now and then: the loss alone).
        """
        step = ReplicaStep(self, model, optimizer, metrics, micro_batches)
        return step.take(inputs)

    def keep_report(self, report: dict[str, Any]) -> None:
        """Makes it the last report, and writes it to the model folder."""
        self._run.report = report
        if self.logging_dir:
            path = pathlib.Path(self.logging_dir, REPORT_FILE)
            evaluation.write_report(path, report)

    def write_pictures(self, global_step: tf.Tensor | None) -> None:
        """Draws what was kept, with the weights that were evaluated."""
        # TPUs hold the weights, and run no single layers.
        strategy = tf.distribute.get_strategy()
        is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
        pictures = self._run.pictures
        if pictures and self.logging_dir and self.workers.is_chief:
            pictures.write(
                pathlib.Path(self.logging_dir, FOLDER),
                0 if global_step is None else int(global_step.numpy()),
                None if is_tpu else self._run.model,
            )

    def first_example(
        self,
        params: cfg.DataConfig,
        context: tf.distribute.InputContext | None,
    ) -> int:
        """How many examples this input pipeline has given before its start."""
        pipelines = context.num_input_pipelines if context else 1
        return self._run.step * params.global_batch_size // pipelines


def evaluation_batches(
    batches: tf.data.Dataset,
    params: cfg.DataConfig,
    context: tf.distribute.InputContext | None,
) -> tf.data.Dataset:
    """Full batches (`full_batches`), unless the rest is to be dropped."""
    if context is None or params.drop_remainder:
        return batches
    return full_batches(
        batches,
        context.get_per_replica_batch_size(params.global_batch_size),
        context.num_replicas_in_sync,
    )


def with_labels(
    images: tf.Tensor, targets: Any, weights: Any, names: Any = None
) -> Batch:
    """A batch as `model.fit` takes it, as the tasks take it."""
    labels = {TARGETS: targets, WEIGHTS: weights}
    return images, labels if names is None else labels | {NAMES: names}


def check_data_options(params: cfg.DataConfig) -> str:
    """Checks what every split needs; returns the name of its section.

    Raises:
      ValueError: there is no input, or no image in a batch.
    """
    split = "train_data" if params.is_training else "validation_data"
    section = f"task.{split}"
    if not params.input_path:
        raise ValueError(
            f"{section}.input_path is empty; set it to the TFRecord files, for "
            f"example with --params_override={section}.input_path="
            "'DIR/train*.tfrecord'."
        )
    if params.global_batch_size < 1:
        raise ValueError(
            f"{section}.global_batch_size must be at least 1; got "
            f"{params.global_batch_size}."
        )
    return section
