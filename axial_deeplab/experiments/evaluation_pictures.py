"""Pictures of an evaluation: predictions beside truth, and attention."""

import abc
import itertools
import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from axial_deeplab import evaluation, visualization, visualization_attention
from axial_deeplab.data.dataset_specs import DatasetSpec
from axial_deeplab.layers.axial_attention import AxialAttention2D
from axial_deeplab.models.attention_blocks import BlockAttention
from axial_deeplab.visualization_classes import ClassifiedImage, class_sheet

FOLDER = "pictures"  # in the model folder
_LEAST_WIDTH_PX = 200  # smaller images are magnified
_SHOWN_CLASSES = 3  # the likeliest


class KeptPictures(abc.ABC):
    """Keeps the first images of an evaluation, and draws them.

    Args:
      count: how many images to keep.
    """

    def __init__(self, count: int):
        self._count = count
        self._rows: list[tuple] = []  # an image first

    @abc.abstractmethod
    def _sheet(self) -> np.ndarray:
        """Images, truth and predictions, uint8 [H, W, 3]."""

    @property
    def missing(self) -> int:
        """How many images are still to be kept."""
        return self._count - len(self._rows)

    def write(
        self, folder: pathlib.Path, step: int, model: tf_keras.Model | None
    ) -> list[pathlib.Path]:
        """Draws a sheet, and where the model's last attention looks to.

        As PNG files and as image summaries of the default writer.

        Args:
          folder: where to write the files.
          step: of the training.
          model: whose attention to draw; None: nobody's.

        Returns:
          The files.
        """
        if not self._rows:
            return []
        pictures = {"predictions": self._sheet()}
        if model is not None and _attends(model):
            pictures["attention"] = self._attention(model)
        folder.mkdir(exist_ok=True)
        paths = []
        for name, picture in pictures.items():
            paths.append(folder / f"{name}_{step:07d}.png")
            visualization.write_png(paths[-1], picture)
            tf.summary.image(name, picture[np.newaxis], step)
        return paths

    def _attention(self, model: tf_keras.Model) -> np.ndarray:
        """Of the first image, for the pixels of its middle row and column."""
        image = self._rows[0][0]
        row, column = (size // 2 for size in image.shape[:2])
        maps = BlockAttention(model).maps(image, row, column)
        return visualization_attention.attention_picture(
            image, maps, model.name
        )


class EvaluationPictures(KeptPictures):
    """Those of panoptic maps.

    Args:
      spec: class table of the maps.
      count: how many images to keep.
    """

    def __init__(self, spec: DatasetSpec, count: int):
        super().__init__(count)
        self._spec = spec

    def add(
        self,
        images: tf.Tensor,
        truth: np.ndarray,
        predicted: np.ndarray,
        sizes_px: dict[str, np.ndarray],
    ) -> None:
        """Keeps what is missing of a batch, without its padding.

        Args:
          images: uint8 [B, H, W, 3].
          truth: panoptic ids [B, H, W].
          predicted: the same.
          sizes_px: HEIGHT and WIDTH [B], by key; height 0 is a blank.
        """
        found = evaluation.unpadded(sizes_px, images, truth, predicted)
        self._rows += [
            tuple(row) for _, *row in itertools.islice(found, self.missing)
        ]

    def _sheet(self) -> np.ndarray:
        width = max(image.shape[1] for image, _, _ in self._rows)
        scale = -(-_LEAST_WIDTH_PX // width)
        return visualization.contact_sheet(self._rows, self._spec, scale)


class ClassPictures(KeptPictures):
    """Those of classified images.

    Args:
      names: of the classes; None: their numbers.
      count: how many images to keep.
    """

    def __init__(self, names: Sequence[str] | None, count: int):
        super().__init__(count)
        self._names = names

    def add(
        self,
        images: tf.Tensor,
        truth: np.ndarray,
        probabilities: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        """Keeps what is missing of a batch.

        Args:
          images: uint8 [B, H, W, 3].
          truth: classes [B].
          probabilities: [B, classes].
          weights: [B]; 0 is a blank.
        """
        if self.missing <= 0:
            return
        for index in np.flatnonzero(weights)[: self.missing]:
            shares = probabilities[index]
            likeliest = np.argsort(-shares, kind="stable")[:_SHOWN_CLASSES]
            predicted = [(self._name(one), shares[one]) for one in likeliest]
            self._rows.append(
                ClassifiedImage(
                    images[index].numpy(),
                    self._name(truth[index]),
                    predicted,
                    likeliest[0] == truth[index],
                )
            )

    def _name(self, number: int) -> str:
        return self._names[number] if self._names else f"class {number}"

    def _sheet(self) -> np.ndarray:
        return class_sheet(self._rows)


def _attends(model: tf_keras.Model) -> bool:
    return any(isinstance(one, AxialAttention2D) for one in model.submodules)
