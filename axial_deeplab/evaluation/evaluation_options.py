"""What an evaluation of files takes and what it gives."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from axial_deeplab.evaluation.html_report import Comparison, Confusion
from axial_deeplab.evaluation.tables import Table


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
    """What to evaluate and how; each kind takes some of it.

    `dataset` names the classes of semantic labels; `num_classes` and
    `ignore_label` are for those of no known data set. `worst_images` is how
    many to show, with photographs from `image_folder` and pictures of
    attention from `attention_folder`.
    """

    gt_json_file: str | None = None
    pred_json_file: str | None = None
    gt_folder: str | None = None
    pred_folder: str | None = None
    use_train_ids: bool = False
    dataset: str | None = None
    num_classes: int | None = None
    ignore_label: int | None = None
    reduce_zero_label: bool = False
    workers: int | None = None
    worst_images: int = 0
    image_folder: str | None = None
    attention_folder: str | None = None

    def panoptic_files(self) -> tuple[str | None, ...]:
        """JSON files and folders, in the order of `pq_compute`."""
        return (
            self.gt_json_file,
            self.pred_json_file,
            self.gt_folder,
            self.pred_folder,
        )


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What was found; `legend` says what the pictures show."""

    report: Mapping[str, Any]
    tables: Sequence[Table]
    confusion: Confusion | None = None
    comparisons: Sequence[Comparison] = ()
    legend: str = ""
