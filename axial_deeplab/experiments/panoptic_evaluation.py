"""Panoptic evaluation of one pass over a data set, on the host."""

import io
import os
from typing import Any

import numpy as np

from axial_deeplab import evaluation, keys
from axial_deeplab.data.dataset_specs import DatasetSpec
from axial_deeplab.progress import ProgressBar
from axial_deeplab.workers import Workers

_GROUPS, _SCORES = ("All", "Things", "Stuff"), ("pq", "sq", "rq")
# What an evaluation yields, by name of its curve.
METRICS = (
    "validation_loss",
    *(f"{score}_{group.lower()}" for group in _GROUPS for score in _SCORES),
    "mean_iou",
)


class PanopticEvaluation:
    """Accumulates panoptic quality and mean IoU from batches of maps.

    Long evaluations show on standard error how many images are done.

    Args:
      spec: class table of the maps.
      prediction_dir: where to write the predicted maps and, under the name
        "truth", the labelled ones as COCO-panoptic files; None: nowhere.
      shows_progress: see above.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        prediction_dir: str | os.PathLike | None = None,
        shows_progress: bool = True,
    ):
        self._spec = spec
        categories = evaluation.panoptic_categories(spec)
        self._quality = evaluation.PanopticQuality(categories)
        self._mean_iou = evaluation.SegmentMeanIoU(categories)
        self.report: dict[str, Any] | None = None
        stream = None if shows_progress else io.StringIO()
        self._progress = ProgressBar(None, "evaluating", "images", stream)
        self._writers = []
        if prediction_dir is not None:
            os.makedirs(prediction_dir, exist_ok=True)
            self._writers = [
                evaluation.PanopticResultWriter(prediction_dir, spec, name)
                for name in ("truth", "predictions")
            ]

    def update(self, truth: dict[str, Any], predicted: np.ndarray) -> None:
        """Adds a batch.

        Args:
          truth: PANOPTIC [B, H, W], IMAGE_ID (B strings), HEIGHT and WIDTH
            [B], by key. What has height 0 is a blank that fills the batch.
          predicted: panoptic ids [B, H, W].
        """
        maps = truth[keys.PANOPTIC], predicted
        for index, *pair in evaluation.unpadded(truth, *maps):
            self._update_image(truth[keys.IMAGE_ID][index], *pair)
            self._progress.update()

    def _update_image(
        self, image_id: str, truth: np.ndarray, predicted: np.ndarray
    ) -> None:
        segments = (
            *evaluation.panoptic_segments(truth, self._spec),
            *evaluation.panoptic_segments(predicted, self._spec),
        )
        self._quality.update(*segments, image_id=image_id)
        self._mean_iou.update(*segments)
        for writer, panoptic in zip(
            self._writers, (truth, predicted), strict=False
        ):
            writer.add(image_id, panoptic)

    def finish(self, workers: Workers | None = None) -> dict[str, Any]:
        """The report (`evaluation.panoptic_report`); completes the files.

        Args:
          workers: who share the images; each gets the report of all of them.
        """
        self._progress.close()
        for writer in self._writers:
            writer.close()
        metrics = self._quality, self._mean_iou
        if workers:
            metrics = map(workers.merged, metrics)
        self.report = evaluation.panoptic_report(*metrics)
        return self.report


def summary_metrics(report: dict[str, Any]) -> dict[str, float]:
    """The numbers of a report that are worth a curve, flat, in percent."""
    metrics = {
        f"{score}_{group.lower()}": 100
        * report["panoptic_quality"][group][score]
        for group in _GROUPS
        for score in _SCORES
    }
    return metrics | {"mean_iou": 100 * report["mean_iou"]}
