"""Photograph, truth, prediction, errors and attention of single images."""

import os
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from axial_deeplab.evaluation import error_pictures
from axial_deeplab.evaluation.error_pictures import Colour, thinned
from axial_deeplab.evaluation.evaluation_options import EvaluationOptions
from axial_deeplab.evaluation.html_report import Comparison
from axial_deeplab.evaluation.image_pool import FilePair
from axial_deeplab.evaluation.panoptic_files import PanopticPair
from axial_deeplab.evaluation.png_files import read_label_png

_Path = str | os.PathLike
_SUFFIXES = (".jpg", ".jpeg", ".png")
_MOST_PX = 660

LABEL_LEGEND = (
    "Errors: red is wrong, grey is not counted. Black is none of the classes."
)
SEGMENT_LEGEND = (
    "Errors: red is the wrong class or none, orange the right class in a "
    "segment that has no match, grey is not counted. White lines part "
    "segments, black is none of the classes."
)


class LabelStyle(NamedTuple):
    """How a data set's label maps are read and shown.

    `names`, `colours` and `counted` (the labels that are scored) are by label;
    `label_of` makes labels of what the truth's file holds.
    """

    names: Mapping[int, str]
    colours: Mapping[int, Colour]
    counted: Collection[int]
    label_of: Callable[[np.ndarray], np.ndarray] = np.asarray


class Photographs:
    """Photographs below a folder, found by the start of their names.

    Args:
        folder: The folder; None: there are none.
    """

    def __init__(self, folder: _Path | None):
        self._paths: dict[str, pathlib.Path] = {}
        if folder is None:
            return
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"There is no folder {folder}.")
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if path.suffix.lower() in _SUFFIXES:
                self._paths.setdefault(path.stem, path)

    def find(self, name: str) -> np.ndarray | None:
        """The photograph NAME.jpg or NAME_leftImg8bit.png, thinned out.

        None where there is none; a `ValueError` names a damaged file.
        """
        path = self._paths.get(name) or self._paths.get(f"{name}_leftImg8bit")
        if path is None:
            return None
        return thinned(read_picture(path), _MOST_PX)


def read_picture(path: _Path) -> np.ndarray:
    """A JPEG or PNG as uint8 [H, W, 3]; a `ValueError` if it is none."""
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path} is no readable photo: {error}") from error


class Beside(NamedTuple):
    """Pictures to show beside the maps of an image, where there are some."""

    photographs: Photographs
    attention: Photographs

    def around(
        self, name: str, pictures: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The pictures of an image by caption, the photograph first."""
        found = {
            "photograph": self.photographs.find(name),
            **pictures,
            "attention": self.attention.find(name),
        }
        return {key: one for key, one in found.items() if one is not None}


def pictures_beside(options: EvaluationOptions) -> Beside:
    """What the folders of the options hold.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    return Beside(
        Photographs(options.image_folder),
        Photographs(options.attention_folder),
    )


def label_comparison(
    pair: FilePair, score: float, style: LabelStyle, beside: Beside
) -> Comparison:
    """Compares two label PNGs; `score` is the share of right pixels."""
    truth, predicted = (
        thinned(read_label_png(path), _MOST_PX)
        for path in (pair.truth, pair.prediction)
    )
    truth = style.label_of(truth)
    counted = np.isin(truth, list(style.counted))
    pictures = {
        "truth": error_pictures.label_picture(truth, style.colours),
        "prediction": error_pictures.label_picture(predicted, style.colours),
        "errors": error_pictures.label_errors(truth, predicted, counted),
    }
    pictures = beside.around(pathlib.PurePath(pair.name).stem, pictures)
    title = f"{pair.name}: {100 * score:.1f} % of the pixels are right"
    shown = {*np.unique(truth).tolist(), *np.unique(predicted).tolist()}
    key = _key(shown, style.names, style.colours)
    return Comparison(title, pictures, key)


def panoptic_comparison(
    pair: PanopticPair,
    score: float,
    categories: Sequence[Mapping[str, Any]],
    beside: Beside,
) -> Comparison:
    """Compares two panoptic maps; `score` is their panoptic quality."""
    colours = {
        one["id"]: tuple(one.get("color", some_colour(index)))
        for index, one in enumerate(categories)
    }
    whole = pair.read_truth(), pair.read_prediction()
    matched = error_pictures.matched_pairs(*whole)
    maps = [(thinned(ids, _MOST_PX), segments) for ids, segments in whole]
    pictures = {
        "truth": error_pictures.segment_picture(*maps[0], colours),
        "prediction": error_pictures.segment_picture(*maps[1], colours),
        "errors": error_pictures.segment_errors(*maps, matched),
    }
    title = f"{pair.image_id}: PQ {100 * score:.1f}"
    pictures = beside.around(pair.name, pictures)
    shown = {one["category_id"] for _, segments in maps for one in segments}
    names = {one["id"]: str(one.get("name", one["id"])) for one in categories}
    return Comparison(title, pictures, _key(shown, names, colours))


def _key(
    shown: Collection[Any],
    names: Mapping[Any, str],
    colours: Mapping[Any, Colour],
) -> dict[str, Colour]:
    """The colours of the classes that are shown, by name."""
    return {
        name: colours[key]
        for key, name in names.items()
        if key in shown and key in colours
    }


def some_colour(index: int) -> Colour:
    """A colour for a class without one."""
    return (37 + 83 * index) % 256, (97 + 151 * index) % 256, 59 * index % 256
