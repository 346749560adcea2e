"""A record that spoils a training, and a model that it spoils."""

import functools
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from axial_deeplab.data import convert_shapes, shards
from axial_deeplab.data.tfrecord_schema import encode_example
from tests.experiments import case


class FragileModel(case.ToyModel):
    """Outputs NaN for a batch with a white image."""

    def call(
        self, images: tf.Tensor, training: bool = False
    ) -> dict[str, tf.Tensor]:
        outputs = super().call(images, training)
        lightest = tf.reduce_max(tf.reduce_min(images, axis=(1, 2, 3)))
        poison = tf.where(lightest > 254, np.nan, 0.0)
        return {name: value + poison for name, value in outputs.items()}


def fragile_model(num_classes: int, **_: Any) -> FragileModel:
    model = FragileModel(num_classes)
    model.build((None, None, None, 3))
    return model


def write_scenes(folder: pathlib.Path, count: int) -> pathlib.Path:
    """Those of `case.write_scenes`, but `count` for training.

    The last of them is white and called "poison".
    """
    case.write_scenes(folder)
    size = (case.SIZE_PX, case.SIZE_PX)
    record = functools.partial(
        convert_shapes.shapes_record, seed=0, split="train", size_px=size
    )
    white = tf.io.encode_png(np.full((*size, 3), 255, np.uint8)).numpy()
    poison = encode_example(white, "png", "poison.png", np.zeros(size))
    path = folder / shards.shard_name("train", 0, 1)
    list(shards.write_shards([path], range(count - 1), record))
    records = [one.numpy() for one in tf.data.TFRecordDataset(str(path))]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for one in [*records, poison]:
            writer.write(one)
    return folder
