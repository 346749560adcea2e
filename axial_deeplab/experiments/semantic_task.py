"""Semantic segmentation as a Model Garden task."""

import functools
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import task_factory

from axial_deeplab import evaluation, keys
from axial_deeplab.data.pipeline import TARGETS, WEIGHTS, PipelineConfig
from axial_deeplab.experiments.configs import PanopticDataConfig
from axial_deeplab.experiments.replica_step import Batch
from axial_deeplab.experiments.segmentation_task import (
    SegmentationTask,
    segmentation_pipeline,
)
from axial_deeplab.experiments.semantic_configs import SemanticTaskConfig
from axial_deeplab.losses import MeanSemanticLoss
from axial_deeplab.models.multi_scale import MultiScale
from axial_deeplab.models.sliding_windows import SlidingWindows

_KEY = keys.SEMANTIC_LOGITS


@task_factory.register_task_cls(SemanticTaskConfig)
class SemanticTask(SegmentationTask):
    """Trains and evaluates `create_model(...)` on the classes of records.

    Training minimises the cross entropy, averaged over all pixels; evaluation
    computes mean IoU on the host.
    """

    METRICS = ("validation_loss", "mean_iou")
    format_report = staticmethod(evaluation.format_semantic_report)

    def __init__(self, params: SemanticTaskConfig, **kwargs):
        super().__init__(params, **kwargs)
        self._semantic_loss = MeanSemanticLoss(name="semantic_loss")
        self._multi_scale = MultiScale(**params.multi_scale.as_dict())
        self._windows = None
        if params.windows_px:
            self._windows = _windows(params.windows_px, self.num_classes)

    def pipeline_config(self, params: PanopticDataConfig) -> PipelineConfig:
        """The input pipeline of one split."""
        return segmentation_pipeline(params, small_instance_weight=1.0)

    def losses_by_name(
        self, labels: dict[str, Any], model_outputs: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """The cross entropy, by its name."""
        losses = self._semantic_loss.per_sample(
            labels[TARGETS][_KEY], model_outputs[_KEY], labels[WEIGHTS][_KEY]
        )
        return {self._semantic_loss.name: tf.reduce_mean(losses)}

    @property
    def loss_names(self) -> list[str]:
        return [self._semantic_loss.name]

    def validation_step(
        self,
        inputs: Batch,
        model: tf_keras.Model,
        metrics: list[tf_keras.metrics.Metric] | None = None,
    ) -> dict[str, Any]:
        """Loss, true and predicted classes of this replica's images."""
        images, labels = inputs
        run = functools.partial(self.inference_step, model=model)
        if self._windows:
            run = self._windows.around(run)
        outputs = self._multi_scale.predict(run, images)
        names = (keys.HEIGHT, keys.WIDTH)
        return self.evaluation_logs(labels, outputs) | {
            "sizes": {name: labels[name] for name in names},
            "truth": labels[keys.PANOPTIC] // self.spec.label_divisor,
            "predicted": tf.argmax(
                outputs[keys.SEMANTIC_PROBABILITIES], -1, tf.int32
            ),
            "pictures": tf.cast(images, tf.uint8),
        }

    def aggregate_logs(
        self,
        state: evaluation.MeanIoU | None,
        step_logs: dict[str, Any] | None,
    ) -> evaluation.MeanIoU:
        """Adds the images of one step to the metric, without padding."""
        if state is None:
            self.begin_pictures()
            state = evaluation.MeanIoU(self.num_classes, self.spec.ignore_label)
        # Each entry is a tuple with one tensor per local replica.
        for replica, images in enumerate(step_logs["pictures"]):
            maps = [
                step_logs[name][replica].numpy()
                for name in ("truth", "predicted")
            ]
            sizes_px = {
                name: values[replica].numpy()
                for name, values in step_logs["sizes"].items()
            }
            for _, *pair in evaluation.unpadded(sizes_px, *maps):
                state.update(*pair)
            panoptic = [one * self.spec.label_divisor for one in maps]
            self._run.pictures.add(images, *panoptic, sizes_px)
        return state

    def reduce_aggregated_logs(
        self,
        aggregated_logs: evaluation.MeanIoU,
        global_step: tf.Tensor | None = None,
    ) -> dict[str, float]:
        """Mean IoU in percent; keeps the report."""
        result = self.workers.merged(aggregated_logs).result()
        classes = [
            {"name": one.name, "iou": result["per_class"][one.id]}
            for one in self.spec.classes
        ]
        self.write_pictures(global_step)
        self.keep_report({"mean_iou": result["mean_iou"], "classes": classes})
        return {"mean_iou": 100 * result["mean_iou"]}


def _windows(sides_px: list[int], num_classes: int) -> SlidingWindows:
    """The windows of `task.windows_px`."""
    if len(sides_px) != 2:
        raise ValueError(
            "task.windows_px must be [side, stride], or empty; got "
            f"{list(sides_px)}."
        )
    return SlidingWindows(num_classes, *sides_px)
