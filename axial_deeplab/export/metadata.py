"""What a SavedModel says about itself: `assets/dataset.json`.

It holds the class table (ids, names, colours, things), the label conventions
and the post-processing settings, so that whoever loads the model needs no
flags and, as it is JSON, no TensorFlow to read them.
"""

import dataclasses
import json
import os
import pathlib

from axial_deeplab.data.dataset_specs import ClassSpec, DatasetSpec
from axial_deeplab.postprocess import PanopticRules, PanopticSettings

FILE_NAME = "dataset.json"
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class ExportMetadata:
    """Classes of an exported model and how its segments were formed.

    `postprocess` is None of a semantic model, which has no segments.

    Raises:
      ValueError: the two disagree about things, void or the divisor.
    """

    dataset: DatasetSpec
    postprocess: PanopticSettings | None

    def __post_init__(self) -> None:
        if self.postprocess is None:
            return
        for name in ("ignore_label", "label_divisor", "thing_ids"):
            ours = getattr(self.postprocess, name)
            theirs = getattr(self.dataset, name)
            if ours != theirs:
                raise ValueError(
                    f"`{name}` of the settings is {ours}, but that of the "
                    f"data set {self.dataset.name!r} is {theirs}."
                )

    def to_json(self) -> str:
        """The content of `assets/dataset.json`."""
        content = {"format": _FORMAT} | dataclasses.asdict(self)
        return json.dumps(content, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "ExportMetadata":
        """The inverse of `to_json`; a `ValueError` if `text` is no such."""
        try:
            content = json.loads(text)
            if content["format"] != _FORMAT:
                raise ValueError(
                    f"format {content['format']!r}, expected {_FORMAT}"
                )
            dataset, postprocess = content["dataset"], content["postprocess"]
            classes = tuple(
                ClassSpec(**row | {"colour": tuple(row["colour"])})
                for row in dataset.pop("classes")
            )
            if postprocess is not None:
                rules = PanopticRules(**postprocess.pop("rules"))
                postprocess = PanopticSettings(rules=rules, **postprocess)
            return cls(DatasetSpec(classes=classes, **dataset), postprocess)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"no metadata of this package: {error}") from error


def read_metadata(saved_model: str | os.PathLike) -> ExportMetadata:
    """Metadata of the SavedModel in a folder.

    Raises:
      FileNotFoundError: there is no SavedModel, or none of this package.
      ValueError: its metadata cannot be read.
    """
    folder = pathlib.Path(saved_model)
    for path in (folder / "saved_model.pb", folder / "assets" / FILE_NAME):
        if not path.is_file():
            raise FileNotFoundError(
                f"{folder} is no SavedModel made by `export_saved_model`: "
                f"{path.relative_to(folder)} is missing."
            )
    try:
        return ExportMetadata.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
