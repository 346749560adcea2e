"""What a table of classes says of a data set.

A panoptic id is `class * label_divisor + instance`; stuff has instance 0, a
thing pixel with instance 0 is crowd, and void is `ignore_label *
label_divisor`.
"""

import dataclasses
import functools
from collections.abc import Sequence

ClassRow = tuple[int, bool, tuple[int, int, int], str]


@dataclasses.dataclass(frozen=True)
class ClassSpec:
    """One class.

    `id` is the class of this package (what a model predicts), `original_id`
    the category id in the files of the data set, `colour` RGB in 0..255.
    """

    id: int
    original_id: int
    name: str
    is_thing: bool
    colour: tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """What a data set calls its classes and how its panoptic ids are formed.

    `num_classes` is the number of semantic logits of a model. It counts the
    ignore label when that lies below it (COCO: 0 is void, so 133 classes need
    134 logits). Instances of a class are numbered below `label_divisor`.
    """

    name: str
    classes: tuple[ClassSpec, ...]
    num_classes: int
    ignore_label: int
    label_divisor: int

    def __post_init__(self):
        """Refuses tables in which two classes could not be told apart."""
        for field in ("id", "original_id", "name"):
            values = [getattr(spec, field) for spec in self.classes]
            if len(set(values)) != len(values):
                raise ValueError(f"{self.name}: two classes share one {field}.")
        ids = [spec.id for spec in self.classes]
        if self.ignore_label in ids:
            raise ValueError(
                f"{self.name}: ignore_label {self.ignore_label} is a class."
            )
        if min(ids) < 0 or max(ids) >= self.num_classes:
            raise ValueError(
                f"{self.name}: class ids must lie in 0.."
                f"{self.num_classes - 1}; got {min(ids)}..{max(ids)}."
            )

    @property
    def void_id(self) -> int:
        """Panoptic id of pixels without a label."""
        return self.ignore_label * self.label_divisor

    @property
    def thing_ids(self) -> tuple[int, ...]:
        """Ids of the classes that have instances, ascending."""
        return tuple(sorted(c.id for c in self.classes if c.is_thing))

    @property
    def stuff_ids(self) -> tuple[int, ...]:
        """Ids of the classes without instances, ascending."""
        return tuple(sorted(c.id for c in self.classes if not c.is_thing))

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in the order of `classes`."""
        return tuple(spec.name for spec in self.classes)

    @functools.cached_property
    def class_by_id(self) -> dict[int, ClassSpec]:
        """Classes by the ids of this package."""
        return {spec.id: spec for spec in self.classes}

    @functools.cached_property
    def class_by_original_id(self) -> dict[int, ClassSpec]:
        """Classes by the category ids of the data set's files."""
        return {spec.original_id: spec for spec in self.classes}


def number_classes(
    rows: Sequence[ClassRow], first_id: int
) -> tuple[ClassSpec, ...]:
    """Classes of `(original id, is thing, colour, name)`, ids in a row."""
    return tuple(
        ClassSpec(first_id + index, original, name, bool(thing), colour)
        for index, (original, thing, colour, name) in enumerate(rows)
    )
