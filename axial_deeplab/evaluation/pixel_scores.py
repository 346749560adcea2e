"""What the pixel-level metrics of Cityscapes and Mapillary Vistas share."""

import collections
import math
from collections.abc import Collection, Iterable, Mapping

import numpy as np


class WeightedPixels:
    """Found and missed pixels of true objects, every object weighing the same.

    A pixel of an object weighs the mean size of the objects of its label
    divided by the size of this one. Only whole numbers are accumulated, so
    the order of images and merges cannot matter.

    Args:
        mean_px: Mean size in pixels of the objects of each label.
    """

    def __init__(self, mean_px: Mapping[int, float]):
        self._mean_px = mean_px
        self._objects: collections.Counter = collections.Counter()
        self._hits: collections.Counter = collections.Counter()

    def add(self, label: int, pixels: int, hits: int) -> None:
        """Adds an object of `pixels` pixels, `hits` of them found."""
        self._objects[label, pixels] += 1
        self._hits[label, pixels] += hits

    def merge(self, other: "WeightedPixels") -> None:
        """Adds the objects of `other`."""
        self._objects.update(other._objects)
        self._hits.update(other._hits)

    def sums(self, labels: Collection[int]) -> tuple[float, float]:
        """Weighted pixels found and missed of all objects of these labels."""
        found, missed = [], []
        for (label, pixels), number in self._objects.items():
            if label in labels:
                weight = self._mean_px[label] / pixels
                hits = self._hits[label, pixels]
                found.append(weight * hits)
                missed.append(weight * (number * pixels - hits))
        return math.fsum(found), math.fsum(missed)


def false_positives(
    confusion: np.ndarray, columns: Collection[int], rows: Iterable[int]
) -> int:
    """Pixels of the true labels `rows` that are predicted as one of `columns`.

    `confusion` is [labels, labels], truth by prediction.
    """
    return int(confusion[np.ix_(list(rows), list(columns))].sum())


def block_iou(
    confusion: np.ndarray, members: Collection[int], rows: Iterable[int]
) -> float:
    """IoU of labels taken as one; NaN where they do not occur.

    Args:
        confusion: Pixels [labels, labels], truth by prediction.
        members: The labels; confusions among them are hits. Truth of them that
            is predicted as any other column is missed.
        rows: True labels outside `members` that count as false positives.
    """
    members = list(members)
    hits = int(confusion[np.ix_(members, members)].sum())
    missed = int(confusion[members].sum()) - hits
    return ratio(
        hits, hits + missed + false_positives(confusion, members, rows)
    )


def check_sizes(truth: np.ndarray, predicted: np.ndarray, where: str) -> None:
    """Refuses a prediction that does not fit, in the words of Cityscapes."""
    for what, axis in (("widths", 1), ("heights", 0)):
        sizes = np.shape(truth)[axis], np.shape(predicted)[axis]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"{where} Image {what} of prediction ({sizes[1]}) and truth "
                f"({sizes[0]}) are not equal."
            )
    if np.ndim(predicted) != 2:
        raise ValueError(f"{where} Predicted image has multiple channels.")


def accuracy(confusion: np.ndarray, labels: Collection[int]) -> float:
    """Share of the pixels of these true labels that is predicted right."""
    labels = list(labels)
    hits = int(np.diagonal(confusion)[labels].sum())
    return ratio(hits, int(confusion[labels].sum()))


def ratio(part: float, whole: float) -> float:
    """`part / whole`, NaN for 0 / 0."""
    return part / whole if whole else math.nan


def mean(values: Iterable[float]) -> float:
    """Mean of what is not NaN; NaN if nothing is left."""
    valid = [value for value in values if not math.isnan(value)]
    return math.fsum(valid) / len(valid) if valid else math.nan
