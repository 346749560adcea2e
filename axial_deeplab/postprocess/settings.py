"""Settings of the panoptic post-processing."""

import dataclasses
from typing import Any, Protocol

import numpy as np


@dataclasses.dataclass(frozen=True)
class PanopticRules:
    """What the two public versions of Panoptic-DeepLab do differently.

    deeplab2 merges with TensorFlow functions or with a compiled operator (the
    one behind its reported results). The defaults are those of the former;
    `COMPILED_OP_RULES` are those of the latter, which numbers the instances
    of a class in the order of a hash table besides: here they always follow
    raster order.

    Args:
      group_loose_things: the thing pixels of an image without any centre form
        one instance (compiled operator); else they become void.
      stuff_above_limit: a stuff class stays if its area is > the limit
        (compiled operator); else if it is >= the limit.
      centers_above_kth: of more than k centres only those strictly above the
        k-th score stay, k - 1 of them or fewer on ties: what deeplab2 means
        by keep_k. Else the k highest, the first in raster order on ties.
    """

    group_loose_things: bool = False
    stuff_above_limit: bool = False
    centers_above_kth: bool = False


COMPILED_OP_RULES = PanopticRules(
    group_loose_things=True, stuff_above_limit=True
)


class PanopticClasses(Protocol):
    """What a class table says of panoptic ids, such as `DatasetSpec`."""

    thing_ids: tuple[int, ...]
    ignore_label: int
    label_divisor: int


@dataclasses.dataclass(frozen=True)
class PanopticSettings:
    """Settings of one data set; the defaults are those of Cityscapes.

    Args:
      thing_ids: classes that have instances.
      ignore_label: class of void pixels; may lie outside 0..K-1.
      label_divisor: panoptic id = class * label_divisor + instance.
      center_threshold: a centre's heatmap value is above this; >= 0.
      nms_kernel_px: side of the max-pooling kernel (COCO: 41).
      keep_k_centers: most centres of one image; 0 keeps all (not under XLA).
      stuff_area_limit_px: smaller stuff becomes void (COCO: 4096).
      rules: the choices that differ between public versions.

    Raises:
      ValueError: a value out of range, or panoptic ids beyond int32.
    """

    thing_ids: tuple[int, ...]
    ignore_label: int
    label_divisor: int
    center_threshold: float = 0.1
    nms_kernel_px: int = 13
    keep_k_centers: int = 200
    stuff_area_limit_px: int = 2048
    rules: PanopticRules = PanopticRules()

    def __post_init__(self) -> None:
        object.__setattr__(self, "thing_ids", tuple(self.thing_ids))
        lowest = {
            "ignore_label": 0,
            "label_divisor": 2,
            "center_threshold": 0,
            "nms_kernel_px": 1,
            "keep_k_centers": 0,
            "stuff_area_limit_px": 0,
        }
        for name, limit in lowest.items():
            if not getattr(self, name) >= limit:
                raise ValueError(
                    f"`{name}` must be >= {limit}; got {getattr(self, name)}."
                )
        if min(self.thing_ids, default=0) < 0:
            raise ValueError(f"`thing_ids` must be >= 0; got {self.thing_ids}.")
        largest = max((*self.thing_ids, self.ignore_label))
        if (largest + 1) * self.label_divisor > np.iinfo(np.int32).max:
            raise ValueError(
                f"class {largest} * label_divisor {self.label_divisor} does "
                "not fit in int32; lower `label_divisor`."
            )

    @classmethod
    def of(cls, classes: PanopticClasses, **changes: Any) -> "PanopticSettings":
        """The settings of a class table; `changes` to the other defaults."""
        return cls(
            classes.thing_ids,
            classes.ignore_label,
            classes.label_divisor,
            **changes,
        )

    @property
    def void_id(self) -> int:
        return self.ignore_label * self.label_divisor

    def is_thing(self, num_classes: int) -> np.ndarray:
        """Bool [num_classes]; a `ValueError` if a thing id lies outside."""
        outside = [c for c in self.thing_ids if c >= num_classes]
        if outside:
            raise ValueError(
                f"`thing_ids` {outside} lie outside the model's classes "
                f"0..{num_classes - 1}."
            )
        return np.isin(np.arange(num_classes), self.thing_ids)
