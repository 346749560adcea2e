"""Which data set is read from which files."""

import dataclasses
import pathlib
from collections.abc import Callable

from axial_deeplab.data.annotated_images import Source
from axial_deeplab.data.convert_ade20k import Ade20kSemanticTree, Ade20kTree
from axial_deeplab.data.convert_cityscapes import (
    CityscapesPanoptic,
    CityscapesTree,
)
from axial_deeplab.data.convert_coco import CocoPanoptic
from axial_deeplab.data.convert_isaid import IsaidTree
from axial_deeplab.data.convert_labels import (
    CocoStuffTree,
    LabelFolders,
    PascalContextTree,
    PascalVocTree,
)
from axial_deeplab.data.convert_mapillary import MapillaryTree
from axial_deeplab.data.dataset_specs import dataset_spec

# Data sets that are read from a folder in their official layout.
TREES: dict[str, Callable[[pathlib.Path, str], Source]] = {
    "cityscapes_panoptic": CityscapesTree,
    "mapillary_panoptic": MapillaryTree,
    "ade20k_panoptic": Ade20kTree,
    "ade20k_semantic": Ade20kSemanticTree,
    "coco_stuff": CocoStuffTree,
    "pascal_voc": PascalVocTree,
    "pascal_context": PascalContextTree,
    "isaid": IsaidTree,
}


@dataclasses.dataclass(frozen=True)
class SourceFiles:
    """Where a data set lies.

    `data_dir` in its official layout, of which `split` is one part; or
    `images_dir` with `panoptic_json` and `panoptic_dir` (COCO's panoptic
    format), or with `labels_dir` (one-channel PNGs).
    """

    split: str
    data_dir: str | None = None
    images_dir: str | None = None
    panoptic_json: str | None = None
    panoptic_dir: str | None = None
    labels_dir: str | None = None


def open_source(dataset: str, files: SourceFiles) -> Source:
    """The annotated images of one split of a data set.

    Args:
      dataset: its name, or the path of a YAML file (`custom_specs`).
      files: where it lies.

    Raises:
      FileNotFoundError, ValueError: there is no such data set, or `files`
        does not say where it lies, or says it in two ways.
    """
    spec = dataset_spec(dataset)
    given = {
        field.name
        for field in dataclasses.fields(files)
        if field.name != "split" and getattr(files, field.name)
    }
    if given == {"data_dir"} and dataset in TREES:
        return TREES[dataset](pathlib.Path(files.data_dir), files.split)
    if given == {"images_dir", "panoptic_json", "panoptic_dir"}:
        city = dataset == "cityscapes_panoptic"
        return (CityscapesPanoptic if city else CocoPanoptic)(
            pathlib.Path(files.images_dir),
            pathlib.Path(files.panoptic_json),
            pathlib.Path(files.panoptic_dir),
            spec,
        )
    if given == {"images_dir", "labels_dir"}:
        folders = pathlib.Path(files.images_dir), pathlib.Path(files.labels_dir)
        return LabelFolders(*folders, spec)
    raise ValueError(
        f"--dataset={dataset} needs {_ways(dataset)}; got "
        f"{', '.join(f'--{name}' for name in sorted(given)) or 'none'}."
    )


def _ways(dataset: str) -> str:
    tree = "--data_dir, or " if dataset in TREES else ""
    return (
        f"{tree}--images_dir, --panoptic_json and --panoptic_dir, or "
        "--images_dir and --labels_dir"
    )
