"""What tasks on records with label maps have in common."""

import abc
import dataclasses
from typing import Any

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.data.augment import Augmentation
from axial_deeplab.data.dataset_specs import DatasetSpec, dataset_spec
from axial_deeplab.data.image_names import whole_names
from axial_deeplab.data.pipeline import (
    PipelineConfig,
    check_records,
    make_dataset,
)
from axial_deeplab.experiments.configs import PanopticDataConfig
from axial_deeplab.experiments.evaluation_pictures import EvaluationPictures
from axial_deeplab.experiments.image_task import (
    ImageTask,
    check_data_options,
    evaluation_batches,
    with_labels,
)
from axial_deeplab.experiments.replica_step import Batch


class SegmentationTask(ImageTask):
    """Reads records of the data set that `task.dataset` names."""

    @property
    def spec(self) -> DatasetSpec:
        """Class table of the data set."""
        return dataset_spec(self.task_config.dataset)

    @property
    def num_classes(self) -> int:
        return self.spec.num_classes

    @abc.abstractmethod
    def pipeline_config(self, params: PanopticDataConfig) -> PipelineConfig:
        """The input pipeline of one split."""

    @property
    @abc.abstractmethod
    def loss_names(self) -> list[str]:
        """What `losses_by_name` returns."""

    def build_inputs(
        self,
        params: PanopticDataConfig,
        input_context: tf.distribute.InputContext | None = None,
    ) -> tf.data.Dataset:
        """Batches (images, labels); labels hold targets and weights.

        Those of an evaluation have images' names as numbers (`whole_names`),
        and under a strategy they are full: blanks of height 0 follow the last
        image.
        """
        config = self.pipeline_config(params)
        if params.is_training:
            first = self.first_example(params, input_context)
            config = dataclasses.replace(config, first_example=first)
            dataset = make_dataset(config, self.spec, input_context)
            return dataset.map(with_labels, tf.data.AUTOTUNE)
        dataset = make_dataset(config, self.spec, input_context)
        dataset = dataset.map(_with_numbered_names, tf.data.AUTOTUNE)
        return evaluation_batches(dataset, params, input_context)

    def check_data(self, params: PanopticDataConfig) -> None:
        """Reads some records; errors of `pipeline.check_records`."""
        config = self.pipeline_config(params)
        check_records(config, self.spec, params.checked_records)

    def evaluation_logs(
        self, labels: dict[str, Any], outputs: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Number of images that are no blanks, and their mean loss."""
        is_image = tf.cast(labels[keys.HEIGHT] > 0, tf.float32)
        # Blanks have no weight, so their losses are 0.
        loss = self.build_losses(labels, outputs)
        return {
            self.loss: tf.math.divide_no_nan(loss, tf.reduce_mean(is_image)),
            "images": tf.reduce_sum(is_image),
        }

    def begin_pictures(self) -> None:
        """Forgets the images of the evaluation before."""
        count = self.task_config.validation_pictures
        self._run.pictures = EvaluationPictures(self.spec, count)

    def build_metrics(
        self, training: bool = True
    ) -> list[tf_keras.metrics.Metric]:
        """Means of the single losses, in training."""
        if not training:
            return []
        return [tf_keras.metrics.Mean(name) for name in self.loss_names]


def _with_numbered_names(images: tf.Tensor, labels: dict[str, Any]) -> Batch:
    """Accelerators take no strings."""
    return images, labels | {keys.IMAGE_ID: whole_names(labels[keys.IMAGE_ID])}


def segmentation_pipeline(
    params: PanopticDataConfig, **targets: float
) -> PipelineConfig:
    """The input pipeline of one split, with settings of its targets.

    Raises:
      ValueError: if an entry that has no default is missing.
    """
    section = check_data_options(params)
    if len(params.crop_size_px) != 2 or min(params.crop_size_px) < 1:
        raise ValueError(
            f"{section}.crop_size_px must be [height, width]; got "
            f"{list(params.crop_size_px)}."
        )
    return PipelineConfig(
        file_pattern=params.input_path,
        crop_size_px=tuple(params.crop_size_px),
        batch_size=params.global_batch_size,
        training=params.is_training,
        resize_long_side_px=params.resize_long_side_px,
        resize_short_side_px=params.resize_short_side_px,
        augmentation=Augmentation(
            tuple(params.scale_range),
            params.scale_step,
            params.flip,
            params.colour,
            params.largest_class_share,
        ),
        seed=params.seed,
        shuffle_buffer=params.shuffle_buffer_size,
        repeat=params.is_training,
        drop_remainder=params.drop_remainder,
        with_targets=True,
        with_names=params.is_training,
        max_bad_records=params.max_bad_records,
        cache=params.cache,
        **targets,
    )
