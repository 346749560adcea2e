"""Panoptic segmentation as a Model Garden task."""

import functools
import pathlib
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import task_factory

from axial_deeplab import evaluation, keys
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.data.image_names import text_of
from axial_deeplab.data.pipeline import TARGETS, WEIGHTS, PipelineConfig
from axial_deeplab.experiments.configs import (
    PanopticDataConfig,
    PanopticTaskConfig,
)
from axial_deeplab.experiments.panoptic_evaluation import (
    METRICS,
    PanopticEvaluation,
    summary_metrics,
)
from axial_deeplab.experiments.replica_step import Batch
from axial_deeplab.experiments.segmentation_task import (
    SegmentationTask,
    segmentation_pipeline,
)
from axial_deeplab.losses import panoptic_losses
from axial_deeplab.models.multi_scale import MultiScale
from axial_deeplab.postprocess import PanopticSettings, panoptic_prediction


@task_factory.register_task_cls(PanopticTaskConfig)
class PanopticTask(SegmentationTask):
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

    def pipeline_config(self, params: PanopticDataConfig) -> PipelineConfig:
        """The input pipeline of one split."""
        return pipeline_config(params, self.task_config)

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

    @property
    def loss_names(self) -> list[str]:
        return [loss.name for loss in self._losses.values()]

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
        return self.evaluation_logs(labels, outputs) | {
            "truth": {name: labels[name] for name in names},
            "predicted": predicted[keys.PANOPTIC],
            "pictures": tf.cast(images, tf.uint8),
        }

    def aggregate_logs(
        self,
        state: PanopticEvaluation | None,
        step_logs: dict[str, Any] | None,
    ) -> PanopticEvaluation:
        """Adds the images of one step to the evaluation."""
        if state is None:
            self.begin_pictures()
            state = PanopticEvaluation(
                self.spec, self._prediction_dir(), self.workers.is_chief
            )
        # Each entry is a tuple with one tensor per local replica.
        for replica, predicted in enumerate(step_logs["predicted"]):
            truth = {
                name: values[replica].numpy()
                for name, values in step_logs["truth"].items()
            }
            truth[keys.IMAGE_ID] = list(map(text_of, truth[keys.IMAGE_ID]))
            state.update(truth, predicted.numpy())
            self._run.pictures.add(
                step_logs["pictures"][replica],
                truth[keys.PANOPTIC],
                predicted.numpy(),
                truth,
            )
        return state

    def reduce_aggregated_logs(
        self,
        aggregated_logs: PanopticEvaluation,
        global_step: tf.Tensor | None = None,
    ) -> dict[str, float]:
        """Flat metrics in percent; writes the report beside them."""
        report = aggregated_logs.finish(self.workers)
        self.keep_report(report)
        self.write_pictures(global_step)
        return summary_metrics(report)

    def _prediction_dir(self) -> str | None:
        subdir = self.task_config.prediction_subdir
        if not subdir:
            return None
        return str(pathlib.Path(self.logging_dir, subdir))


def panoptic_settings(config: PanopticTaskConfig) -> PanopticSettings:
    """Post-processing of the data set and thresholds of a configuration."""
    spec = dataset_spec(config.dataset)
    return PanopticSettings.of(spec, **config.postprocess.as_dict())


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
