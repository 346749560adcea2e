"""Average precision of instance masks, as Cityscapes and Mapillary define it.

Predicted masks may overlap. Per class and overlap threshold, of all masks whose
IoU with a true object passes the threshold the one of the highest score is the
hit and the others are false. Any other mask is false unless the share of its
pixels on ignored truth passes the same threshold. The curve has one point a
distinct score and the point (recall 0, precision 1); the area under it follows
the trapezoid rule, without making the precision monotone.
"""

import collections
import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

# With float dust, as in the official tools: 0.6000000000000001 and so on.
THRESHOLDS: tuple[float, ...] = tuple(np.arange(0.5, 1.0, 0.05).tolist())


@dataclasses.dataclass(frozen=True)
class PredictedMask:
    """One predicted instance: its mask, bool [H, W], label id and score."""

    mask: np.ndarray
    label_id: int
    score: float


@dataclasses.dataclass(frozen=True)
class TruthObject:
    """One true object, or a region of several (a group)."""

    pixels: int
    is_group: bool = False
    distance_m: float = -1.0
    distance_confidence: float = 0.0


@dataclasses.dataclass(frozen=True)
class FoundObject:
    """One predicted mask; `overlaps` counts shared pixels by truth index."""

    score: float
    pixels: int
    ignored_pixels: int
    overlaps: Mapping[int, int]


@dataclasses.dataclass(frozen=True)
class ClassImage:
    """True and predicted objects of one class in one image."""

    truths: list[TruthObject]
    found: list[FoundObject]


@dataclasses.dataclass(frozen=True)
class Targets:
    """Which true objects are to be found; the others excuse what hits them."""

    min_pixels: int = 100
    max_distance_m: float = math.inf
    min_distance_confidence: float = -math.inf

    def admits(self, truth: TruthObject) -> bool:
        """Whether size and distance of the object are within the limits."""
        return (
            truth.pixels >= self.min_pixels
            and truth.distance_m <= self.max_distance_m
            and truth.distance_confidence >= self.min_distance_confidence
        )


@dataclasses.dataclass(frozen=True)
class PrecisionRules:
    """Where the two data sets differ.

    `inclusive`: a value equal to the threshold passes it. `empty_counts`: a
    class that is predicted but has no target has the precision 0, not NaN.
    """

    inclusive: bool
    empty_counts: bool

    def passes(self, value: float, threshold: float) -> bool:
        """Whether an IoU, or an ignored share, passes the threshold."""
        return value >= threshold if self.inclusive else value > threshold


CITYSCAPES_RULES = PrecisionRules(inclusive=False, empty_counts=False)
MAPILLARY_RULES = PrecisionRules(inclusive=True, empty_counts=True)


@dataclasses.dataclass
class _Outcome:
    """Scores of hits and of false masks; true objects nobody hit."""

    hits: list[float] = dataclasses.field(default_factory=list)
    false: list[float] = dataclasses.field(default_factory=list)
    missed: int = 0


def average_precision(
    images: Iterable[ClassImage],
    threshold: float,
    targets: Targets,
    rules: PrecisionRules,
) -> float:
    """Average precision of one class in 0..1 at one overlap threshold.

    NaN if the class has no target. With targets, but neither hits nor false
    masks (every one is excused), it is 0; the script of Cityscapes ends in an
    IndexError there.
    """
    outcome, is_predicted = _Outcome(), False
    for image in images:
        is_predicted = is_predicted or bool(image.found)
        _match(image, threshold, targets, rules, outcome)
    if not outcome.hits and not outcome.missed:
        empty = rules.empty_counts and is_predicted
        return 0.0 if empty else math.nan
    return _area(outcome)


def _match(
    image: ClassImage,
    threshold: float,
    targets: Targets,
    rules: PrecisionRules,
    outcome: _Outcome,
) -> None:
    by_truth = collections.defaultdict(list)
    for found in image.found:
        passed = [
            index
            for index, shared in found.overlaps.items()
            if rules.passes(_iou(image.truths[index], found, shared), threshold)
        ]
        for index in passed:
            by_truth[index].append(found.score)
        if not passed and not rules.passes(
            _ignored_share(image.truths, found, targets), threshold
        ):
            outcome.false.append(found.score)
    for index, truth in enumerate(image.truths):
        if truth.is_group or not targets.admits(truth):
            continue
        # Equal scores share their point of the curve: no tie to break.
        *others, best = sorted(by_truth[index]) or [None]
        outcome.false += others
        if best is None:
            outcome.missed += 1
        else:
            outcome.hits.append(best)


def _iou(truth: TruthObject, found: FoundObject, shared: int) -> float:
    return shared / (truth.pixels + found.pixels - shared)


def _ignored_share(
    truths: Sequence[TruthObject], found: FoundObject, targets: Targets
) -> float:
    """A group that is out of the limits as well counts twice (official)."""
    pixels = found.ignored_pixels
    for index, shared in found.overlaps.items():
        truth = truths[index]
        pixels += shared * (truth.is_group + (not targets.admits(truth)))
    return pixels / found.pixels


def _area(outcome: _Outcome) -> float:
    """Area under the curve, from the highest recall down to 0."""
    targets = len(outcome.hits) + outcome.missed
    scores = np.array(outcome.hits + outcome.false, np.float64)
    is_hit = np.zeros(len(scores), np.int64)
    is_hit[: len(outcome.hits)] = 1
    order = np.argsort(scores, kind="stable")
    _, firsts = np.unique(scores[order], return_index=True)
    # Hits at and above each distinct score.
    hits = is_hit[order][::-1].cumsum()[::-1][firsts]
    recall = np.append(hits / targets, 0.0)
    precision = np.append(hits / (len(scores) - firsts), 1.0)
    widths = recall[:-1] - recall[1:]
    return float(np.sum(widths * (precision[:-1] + precision[1:]) / 2))


def image_objects(
    instance_map: np.ndarray,
    truths: Mapping[int, tuple[int, TruthObject]],
    ignored: Collection[int],
    masks: Iterable[PredictedMask],
    where: str,
) -> dict[int, ClassImage]:
    """True and predicted objects of one image by class.

    Args:
        instance_map: Instance ids [H, W].
        truths: Class and object of each instance id that is one.
        ignored: Instance ids whose pixels excuse what lies on them.
        masks: The predictions of evaluated classes, read one by one; empty
            masks are left out.
        where: Names the image in errors.

    Raises:
        ValueError: A mask has another size than the map, or a score is NaN.
    """
    images: dict[int, ClassImage] = {}
    index_of = {}
    for instance_id, (label, truth) in truths.items():
        image = images.setdefault(label, ClassImage([], []))
        index_of[instance_id] = label, len(image.truths)
        image.truths.append(truth)
    for number, one in enumerate(masks):
        _check_mask(one, instance_map, f"{where} the mask {number}")
        ids, counts = np.unique(
            instance_map[np.asarray(one.mask, bool)], return_counts=True
        )
        shared = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        if not shared:
            continue
        overlaps = {
            index_of[key][1]: pixels
            for key, pixels in shared.items()
            if key in index_of and index_of[key][0] == one.label_id
        }
        excused = sum(n for key, n in shared.items() if key in ignored)
        found = FoundObject(
            float(one.score), int(counts.sum()), excused, overlaps
        )
        image = images.setdefault(one.label_id, ClassImage([], []))
        image.found.append(found)
    return images


def _check_mask(
    one: PredictedMask, instance_map: np.ndarray, where: str
) -> None:
    if np.shape(one.mask) != np.shape(instance_map):
        raise ValueError(
            f"{where} and the truth differ in size: operands could not be "
            f"broadcast together with shapes {np.shape(instance_map)} "
            f"{np.shape(one.mask)}."
        )
    if math.isnan(one.score):
        raise ValueError(f"{where} has the score NaN.")
