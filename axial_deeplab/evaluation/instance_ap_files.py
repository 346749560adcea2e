"""Evaluates COCO instance AP of files."""

import collections
import os
from typing import Any

from axial_deeplab.evaluation import panoptic_files, result_files
from axial_deeplab.evaluation.image_pool import map_images
from axial_deeplab.evaluation.instance_ap import CocoInstancePrecision
from axial_deeplab.evaluation.whole_files import read_json

_Path = str | os.PathLike


def evaluate_coco_instances(
    gt_json_file: _Path,
    pred_json_file: _Path,
    gt_folder: _Path | None = None,
    pred_folder: _Path | None = None,
    workers: int | None = None,
) -> CocoInstancePrecision:
    """Instance AP against COCO-panoptic truth.

    Args:
        gt_json_file: COCO-panoptic JSON of the truth.
        pred_json_file: The same of the prediction, with a `score` in every
            thing segment, or a JSON list of COCO detections.
        gt_folder: Folder of the truth PNGs; None: the JSON's path without
            ".json".
        pred_folder: The same for a panoptic prediction.
        workers: Images read at the same time; None: one a processor, at
            most 16. The result does not depend on it.

    Raises:
        AssertionError: A detection is of an unknown image.
        KeyError, ValueError, FileNotFoundError, Exception: As `pq_compute`,
            and see `CocoInstancePrecision.update`.
    """
    if os.path.isfile(pred_json_file):
        content = read_json(pred_json_file)
        if isinstance(content, list):
            return _evaluate_detections(
                gt_json_file, gt_folder, content, pred_json_file, workers
            )
    categories, pairs = panoptic_files.panoptic_pairs(
        gt_json_file, pred_json_file, gt_folder, pred_folder
    )

    def score(pair: panoptic_files.PanopticPair) -> CocoInstancePrecision:
        one = CocoInstancePrecision(categories)
        one.update(*pair.read_truth(), *pair.read_prediction(), pair.image_id)
        return one

    total = CocoInstancePrecision(categories)
    for one in map_images(score, pairs, workers):
        total.merge(one)
    return total


def _evaluate_detections(
    gt_json_file: _Path,
    gt_folder: _Path | None,
    detections: list[dict[str, Any]],
    pred_json_file: _Path,
    workers: int | None,
) -> CocoInstancePrecision:
    if not result_files.is_list_of_dicts(detections):
        raise ValueError(f"{pred_json_file} is no list of detections.")
    fields = "annotations", "categories"
    truth = panoptic_files.PanopticSource(
        gt_json_file, gt_folder, "ground truth", fields
    )
    categories = truth.content["categories"]
    annotations = list(truth.annotations())
    by_image = collections.defaultdict(list)
    for one in detections:
        by_image[one.get("image_id")].append(one)
    unknown = by_image.keys() - dict(annotations).keys()
    if unknown:
        # The words and the type of pycocotools.
        raise AssertionError(
            f"Results do not correspond to current coco set: {pred_json_file} "
            f"has detections of the image {next(iter(unknown))!r}."
        )

    def score(item: tuple[Any, dict[str, Any]]) -> CocoInstancePrecision:
        image_id, annotation = item
        one = CocoInstancePrecision(categories)
        one.update_detections(
            *truth.reader(annotation)(), by_image.get(image_id, ()), image_id
        )
        return one

    total = CocoInstancePrecision(categories)
    for one in map_images(score, annotations, workers):
        total.merge(one)
    return total
