"""Image classification as a Model Garden task."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import task_factory

from axial_deeplab import evaluation
from axial_deeplab.data import labelled_images
from axial_deeplab.data.classification_pipeline import (
    ClassificationPipelineConfig,
    check_records,
    make_classification_dataset,
)
from axial_deeplab.data.crops import RandomCrop
from axial_deeplab.data.pipeline import TARGETS, WEIGHTS
from axial_deeplab.experiments.classification_configs import (
    ClassificationDataConfig,
    ClassificationTaskConfig,
)
from axial_deeplab.experiments.evaluation_pictures import ClassPictures
from axial_deeplab.experiments.image_task import (
    ImageTask,
    check_data_options,
    evaluation_batches,
    with_labels,
)
from axial_deeplab.experiments.replica_step import Batch

_LOSS, _TRAINING_TOP_1 = "classification_loss", "training_top_1"
_TOP_K = 5


@task_factory.register_task_cls(ClassificationTaskConfig)
class ClassificationTask(ImageTask):
    """Trains and evaluates `create_model(...)` on labelled images.

    Training minimises the cross entropy with smoothed labels plus weight
    decay; evaluation computes the same cross entropy, and how often the class
    is the first, or among the first five, of the model's.
    """

    METRICS = ("validation_loss", "top_1", "top_5")
    format_report = staticmethod(evaluation.format_classification_report)

    def __init__(self, params: ClassificationTaskConfig, **kwargs):
        super().__init__(params, **kwargs)
        smoothing = params.losses.label_smoothing
        if smoothing >= 1:
            raise ValueError(
                f"task.losses.label_smoothing must be below 1; got {smoothing}."
            )
        names, classes = params.class_names, params.num_classes
        if names and len(names) != classes:
            raise ValueError(
                f"task.class_names must have task.num_classes={classes} "
                f"entries, or none; got {len(names)}."
            )
        self._validation_metrics = []

    @property
    def num_classes(self) -> int:
        return self.task_config.num_classes

    def build_model(self) -> tf_keras.Model:
        """The model of the configuration, which loses weight."""
        model = super().build_model()
        decay = self.task_config.losses.weight_decay
        if decay:
            model.add_loss(lambda: decay * _half_square_sum(model))
        return model

    def build_inputs(
        self,
        params: ClassificationDataConfig,
        input_context: tf.distribute.InputContext | None = None,
    ) -> tf.data.Dataset:
        """Batches (images, labels); labels hold targets and weights."""
        config = pipeline_config(params, self.task_config)
        if params.is_training:
            first = self.first_example(params, input_context)
            config = dataclasses.replace(config, first_example=first)
        dataset = make_classification_dataset(config, input_context)
        dataset = dataset.map(with_labels, tf.data.AUTOTUNE)
        if params.is_training:
            return dataset
        return evaluation_batches(dataset, params, input_context)

    def check_data(self, params: ClassificationDataConfig) -> None:
        """Reads some; errors of `classification_pipeline.check_records`."""
        config = pipeline_config(params, self.task_config)
        check_records(config, params.checked_records)

    def losses_by_name(
        self, labels: dict[str, Any], model_outputs: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Mean cross entropy; blanks of weight 0 count as images without."""
        losses = self._cross_entropy(labels[TARGETS], model_outputs)
        return {_LOSS: tf.reduce_mean(labels[WEIGHTS] * losses)}

    def scores_by_name(
        self, labels: dict[str, Any], model_outputs: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """How many images of a training batch are right, in percent."""
        hits = _hits(labels[TARGETS], model_outputs, 1)
        return {_TRAINING_TOP_1: 100 * tf.reduce_mean(hits)}

    def build_metrics(
        self, training: bool = True
    ) -> list[tf_keras.metrics.Metric]:
        """Means over images; those of an evaluation are its report."""
        if training:
            names = (_LOSS, _TRAINING_TOP_1)
            return [tf_keras.metrics.Mean(name) for name in names]
        metrics = [tf_keras.metrics.Mean(name) for name in self.METRICS]
        self._validation_metrics = metrics
        return metrics

    def validation_step(
        self,
        inputs: Batch,
        model: tf_keras.Model,
        metrics: list[tf_keras.metrics.Metric] | None = None,
    ) -> dict[str, tf.Tensor]:
        """Adds this replica's images to the metrics; returns what is drawn."""
        images, labels = inputs
        targets, weights = labels[TARGETS], labels[WEIGHTS]
        logits = self.inference_step(images, model)
        values = (
            self._cross_entropy(targets, logits),
            100 * _hits(targets, logits, 1),
            100 * _hits(targets, logits, _TOP_K),
        )
        shown = dict(zip(self.METRICS, values, strict=True))
        for metric in metrics or []:
            metric.update_state(shown[metric.name], sample_weight=weights)
        return {
            "images": tf.reduce_sum(weights),
            "pictures": (
                tf.cast(images, tf.uint8),
                targets,
                tf.nn.softmax(logits),
                weights,
            ),
        }

    def aggregate_logs(
        self, state: list[int] | None, step_logs: dict[str, Any] | None
    ) -> list[int]:
        """How many images of each step this worker has evaluated so far."""
        if state is None:
            count = self.task_config.validation_pictures
            drawn = count and self.workers.is_chief
            names = self._class_names() if drawn else None
            self._run.pictures = ClassPictures(names, count)
        # A tuple with one tensor per local replica.
        for images, *values in zip(*step_logs["pictures"], strict=True):
            values = (one.numpy() for one in values)
            self._run.pictures.add(images, *values)
        count = sum(int(count) for count in step_logs["images"])
        return [*(state or ()), count]

    def _class_names(self) -> Sequence[str] | None:
        """Of the configuration, or of the folders with the images."""
        folder = self.task_config.validation_data.input_path
        if self.task_config.class_names:
            return self.task_config.class_names
        if isinstance(folder, str) and tf.io.gfile.isdir(folder):
            return labelled_images.class_names(folder)
        return None

    def reduce_aggregated_logs(
        self, aggregated_logs: list[int], global_step: tf.Tensor | None = None
    ) -> dict[str, float]:
        """Keeps the report; its numbers have their curves already."""
        loss, top_1, top_5 = (
            float(metric.result()) for metric in self._validation_metrics
        )
        self.keep_report(
            {
                "top_1": top_1 / 100,
                "top_5": top_5 / 100,
                "loss": loss,
                "images": int(self.workers.summed(np.sum(aggregated_logs))),
            }
        )
        self.write_pictures(global_step)
        return {}

    def _cross_entropy(
        self, targets: tf.Tensor, logits: tf.Tensor
    ) -> tf.Tensor:
        """[B], [B, K] -> [B]; the smoothing is spread over all classes."""
        smoothing = self.task_config.losses.label_smoothing
        hot = tf.one_hot(targets, logits.shape[-1])
        smooth = (1 - smoothing) * hot + smoothing / self.num_classes
        return tf.nn.softmax_cross_entropy_with_logits(smooth, logits)


def _hits(targets: tf.Tensor, logits: tf.Tensor, k: int) -> tf.Tensor:
    """[B], [B, K] -> [B]: 1 where the class is among the k likeliest.

    Of equal logits the lower classes come first, so that a model that cannot
    tell is not always right.
    """
    likeliest = tf.math.top_k(logits, min(k, logits.shape[-1])).indices
    hit = tf.reduce_any(likeliest == targets[:, tf.newaxis], axis=-1)
    return tf.cast(hit, tf.float32)


def _half_square_sum(model: tf_keras.Model) -> tf.Tensor:
    weights = model.trainable_weights
    return tf.add_n([tf.nn.l2_loss(tf.cast(w, tf.float32)) for w in weights])


def pipeline_config(
    params: ClassificationDataConfig, task: ClassificationTaskConfig
) -> ClassificationPipelineConfig:
    """The input pipeline of one split.

    Raises:
      ValueError: if an entry that has no default is missing.
    """
    check_data_options(params)
    return ClassificationPipelineConfig(
        file_pattern=params.input_path,
        batch_size=params.global_batch_size,
        training=params.is_training,
        image_size_px=params.image_size_px,
        resize_px=params.resize_px,
        num_classes=task.num_classes,
        augmentation=RandomCrop(
            tuple(params.area_range), tuple(params.aspect_range), params.flip
        ),
        first_label=params.first_label,
        seed=params.seed,
        shuffle_buffer=params.shuffle_buffer_size,
        repeat=params.is_training,
        with_names=params.is_training,
        max_bad_records=params.max_bad_records,
    )
