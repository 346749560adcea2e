"""Panoptic segmentation as a Model Garden task."""

import functools
import pathlib
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import task_factory

from axial_deeplab import evaluation, keys
from axial_deeplab.data.augment import Augmentation
from axial_deeplab.data.dataset_specs import DatasetSpec, dataset_spec
from axial_deeplab.data.pipeline import (
    TARGETS,
    WEIGHTS,
    PipelineConfig,
    make_dataset,
)
from axial_deeplab.experiments.configs import (
    PanopticDataConfig,
    PanopticTaskConfig,
)
from axial_deeplab.experiments.image_task import (
    Batch,
    ImageTask,
    check_data_options,
    with_labels,
)
from axial_deeplab.experiments.panoptic_evaluation import (
    METRICS,
    PanopticEvaluation,
    summary_metrics,
)
from axial_deeplab.losses import panoptic_losses
from axial_deeplab.models.multi_scale import MultiScale
from axial_deeplab.postprocess import PanopticSettings, panoptic_prediction


@task_factory.register_task_cls(PanopticTaskConfig)
class PanopticTask(ImageTask):
    """Trains and evaluates `create_model(...)` on panoptic records.

    Training minimises the sum of `losses.panoptic_losses`, the objects that
    `model.compile` takes; evaluation computes panoptic quality and mean IoU
    on the host.
    """

    METRICS = METRICS
    format_report = staticmethod(evaluation.format_report)

    def __init__(self, params: PanopticTaskConfig, **kwargs):
        super().__init__(params, **kwargs)
        losses = params.losses
        self._losses = panoptic_losses(
            top_k_fraction=losses.top_k_fraction,
            semantic_weight=losses.semantic_weight,
            center_weight=losses.center_weight,
            offset_weight=losses.offset_weight,
        )
        self._settings = panoptic_settings(params)
        self._multi_scale = MultiScale(**params.multi_scale.as_dict())

    @property
    def spec(self) -> DatasetSpec:
        """Class table of the data set."""
        return dataset_spec(self.task_config.dataset)

    @property
    def num_classes(self) -> int:
        return self.spec.num_classes

    def build_inputs(
        self,
        params: PanopticDataConfig,
        input_context: tf.distribute.InputContext | None = None,
    ) -> tf.data.Dataset:
        """Batches (images, labels); labels hold targets and weights."""
        config = pipeline_config(params, self.task_config)
        dataset = make_dataset(config, self.spec, input_context)
        if params.is_training:
            return dataset.map(with_labels, tf.data.AUTOTUNE)
        return dataset

    def losses_by_name(
        self, labels: dict[str, Any], model_outputs: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Each loss of `panoptic_losses` by its name, weighted."""
        return {
            loss.name: tf.reduce_mean(
                loss.per_sample(
                    labels[TARGETS][key],
                    model_outputs[key],
                    labels[WEIGHTS][key],
                )
            )
            for key, loss in self._losses.items()
        }

    def build_metrics(
        self, training: bool = True
    ) -> list[tf_keras.metrics.Metric]:
        """Means of the single losses, in training."""
        if not training:
            return []
        names = [loss.name for loss in self._losses.values()]
        return [tf_keras.metrics.Mean(name) for name in names]

    def validation_step(
        self,
        inputs: Batch,
        model: tf_keras.Model,
        metrics: list[tf_keras.metrics.Metric] | None = None,
    ) -> dict[str, Any]:
        """Loss and panoptic maps of this replica's images."""
        images, labels = inputs
        outputs = self._multi_scale.predict(
            functools.partial(self.inference_step, model=model), images
        )
        predicted = panoptic_prediction(
            outputs[keys.SEMANTIC_PROBABILITIES],
            outputs[keys.CENTER_HEATMAP],
            outputs[keys.CENTER_OFFSET],
            self._settings,
        )
        names = (keys.PANOPTIC, keys.IMAGE_ID, keys.HEIGHT, keys.WIDTH)
        return {
            self.loss: self.build_losses(labels, outputs),
            "truth": {name: labels[name] for name in names},
            "predicted": predicted[keys.PANOPTIC],
        }

    def aggregate_logs(
        self,
        state: PanopticEvaluation | None,
        step_logs: dict[str, Any] | None,
    ) -> PanopticEvaluation:
        """Adds the images of one step to the evaluation."""
        if state is None:
            state = PanopticEvaluation(self.spec, self._prediction_dir())
        # Each entry is a tuple with one tensor per local replica.
        for replica, predicted in enumerate(step_logs["predicted"]):
            truth = {
                name: values[replica].numpy()
                for name, values in step_logs["truth"].items()
            }
            state.update(truth, predicted.numpy())
        return state

    def reduce_aggregated_logs(
        self,
        aggregated_logs: PanopticEvaluation,
        global_step: tf.Tensor | None = None,
    ) -> dict[str, float]:
        """Flat metrics in percent; writes the report beside them."""
        report = aggregated_logs.finish()
        self.keep_report(report)
        return summary_metrics(report)

    def _prediction_dir(self) -> str | None:
        subdir = self.task_config.prediction_subdir
        if not subdir:
            return None
        return str(pathlib.Path(self.logging_dir, subdir))


def panoptic_settings(config: PanopticTaskConfig) -> PanopticSettings:
    """Post-processing of the data set and thresholds of a configuration."""
    spec = dataset_spec(config.dataset)
    return PanopticSettings(
        thing_ids=spec.thing_ids,
        ignore_label=spec.ignore_label,
        label_divisor=spec.label_divisor,
        **config.postprocess.as_dict(),
    )


def pipeline_config(
    params: PanopticDataConfig, task: PanopticTaskConfig
) -> PipelineConfig:
    """The input pipeline of one split; errors of `segmentation_pipeline`."""
    losses = task.losses
    return segmentation_pipeline(
        params,
        sigma_px=losses.center_sigma_px,
        small_instance_area_px=losses.small_instance_area_px,
        small_instance_weight=losses.small_instance_weight,
    )


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
        cache=params.cache,
        **targets,
    )
