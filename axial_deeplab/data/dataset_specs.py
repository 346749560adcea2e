"""Classes, colours and label conventions of the data sets, by name.

The table of a data set lies beside this file; `class_tables` says what its
columns mean. Data sets whose files tell no instances apart have no things.
Anyone's own data set is a YAML file, whose path stands for its name.
"""

import difflib

from axial_deeplab.data import (
    ade20k_labels,
    cityscapes_labels,
    coco_labels,
    coco_stuff_labels,
    custom_specs,
    isaid_labels,
    mapillary_labels,
    pascal_labels,
)
from axial_deeplab.data.class_tables import (
    ClassRow,
    ClassSpec,
    DatasetSpec,
    number_classes,
)

__all__ = ["DATASET_SPECS", "ClassSpec", "DatasetSpec", "dataset_spec"]

# Of the data sets that do not say how they number instances.
_DIVISOR = 1000


def dataset_spec(name: str) -> DatasetSpec:
    """The data set of that name, or the one that a YAML file describes.

    Raises:
      ValueError: there is none of that name (lists the nearest), or the file
        is no such description.
      FileNotFoundError: there is no such file.
    """
    if name in DATASET_SPECS:
        return DATASET_SPECS[name]
    if name.endswith(custom_specs.SUFFIXES):
        return custom_specs.read_spec(name)
    near = difflib.get_close_matches(name, DATASET_SPECS, cutoff=0.3)
    nearest = ", ".join(near or DATASET_SPECS)
    raise ValueError(f"Unknown data set {name!r}; nearest: {nearest}.")


def _semantic(name: str, rows: tuple[ClassRow, ...]) -> DatasetSpec:
    classes = number_classes(rows, first_id=0)
    return DatasetSpec(name, classes, len(classes), 255, _DIVISOR)


# Geometric things on textured stuff, drawn by `synthetic_shapes`.
# fmt: off
_SHAPES_ROWS = (
    # original id, is thing, colour, name
    (1, 0, (112, 128, 144), "stripes"),
    (2, 0, (107, 142,  35), "checks"),
    (3, 0, (190, 153, 153), "dots"),
    (4, 0, (128,  64, 128), "grain"),
    (5, 1, (220,  20,  60), "disc"),
    (6, 1, (  0,  90, 200), "triangle"),
    (7, 1, (250, 170,  30), "square"),
    (8, 1, (  0, 170, 120), "star"),
    (9, 1, (150,  60, 255), "ring"),
)
# fmt: on

DATASET_SPECS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            name="shapes",
            classes=number_classes(_SHAPES_ROWS, first_id=0),
            num_classes=9,
            ignore_label=255,
            label_divisor=256,
        ),
        DatasetSpec(
            name="coco_panoptic",
            classes=number_classes(coco_labels.PANOPTIC_ROWS, first_id=1),
            num_classes=134,
            ignore_label=0,
            label_divisor=256,
        ),
        # The ids are the train ids.
        DatasetSpec(
            name="cityscapes_panoptic",
            classes=number_classes(cityscapes_labels.CLASS_ROWS, first_id=0),
            num_classes=19,
            ignore_label=255,
            label_divisor=cityscapes_labels.INSTANCE_DIVISOR,
        ),
        # The ids are those of the label images.
        DatasetSpec(
            name="mapillary_panoptic",
            classes=number_classes(mapillary_labels.CLASS_ROWS, first_id=0),
            num_classes=65,
            ignore_label=mapillary_labels.VOID_ID,
            label_divisor=1000,
        ),
        DatasetSpec(
            name="ade20k_panoptic",
            classes=number_classes(ade20k_labels.PANOPTIC_ROWS, first_id=0),
            num_classes=150,
            ignore_label=255,
            label_divisor=_DIVISOR,
        ),
        _semantic("ade20k_semantic", ade20k_labels.SEMANTIC_ROWS),
        _semantic("coco_stuff", coco_stuff_labels.ROWS),
        _semantic("pascal_voc", pascal_labels.VOC_ROWS),
        _semantic("pascal_context", pascal_labels.CONTEXT_ROWS),
        _semantic("isaid", isaid_labels.ROWS),
    )
}
