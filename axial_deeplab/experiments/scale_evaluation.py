"""Panoptic evaluation of images at other sizes (arXiv:2003.07853, Fig. 4).

The model sees the padded image resized; what it predicts is resized to the
size of the crop before segments are formed, as in multi-scale inference. Truth
and post-processing are therefore the same at all sizes.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.data.pipeline import make_dataset
from axial_deeplab.experiments.configs import PanopticTaskConfig
from axial_deeplab.experiments.panoptic_evaluation import PanopticEvaluation
from axial_deeplab.experiments.panoptic_task import (
    panoptic_settings,
    pipeline_config,
)
from axial_deeplab.experiments.record_files import check_records
from axial_deeplab.layers.convolution import resize_to
from axial_deeplab.models.panoptic_deeplab import resize_prediction
from axial_deeplab.postprocess import panoptic_prediction

# Images [B, H, W, 3] float32 to panoptic maps [B, H, W].
Predict = Callable[[tf.Tensor], tf.Tensor]


def scaled_size(size_px: tuple[int, int], ratio: float) -> tuple[int, int]:
    """Height and width at a ratio; k * stride + 1 stays of that form."""
    height, width = (round((side - 1) * ratio) + 1 for side in size_px)
    return height, width


def model_prediction(
    model: tf_keras.Model, config: PanopticTaskConfig, ratio: float
) -> Predict:
    """Segments of a model that sees its images at a ratio of their size.

    Args:
      model: images to semantic logits, heatmap and offsets.
      config: holds the post-processing.
      ratio: of the sides, see `scaled_size`.
    """
    settings = panoptic_settings(config)
    # Where a model can leave out its last resize, one resize is enough, and
    # the logits of 4097 x 4097 pixels need no gigabytes.
    predict_maps = getattr(model, "coarse_maps", model)

    def predict(images: tf.Tensor) -> tf.Tensor:
        size = tuple(images.shape[1:3])
        scaled = resize_to(images, scaled_size(size, ratio))
        maps = {
            name: resize_prediction(name, value, tf.constant(size), size)
            for name, value in predict_maps(scaled, training=False).items()
        }
        return panoptic_prediction(
            tf.nn.softmax(maps[keys.SEMANTIC_LOGITS]),
            maps[keys.CENTER_HEATMAP],
            maps[keys.CENTER_OFFSET],
            settings,
        )[keys.PANOPTIC]

    return predict


def evaluate_prediction(
    predict: Predict,
    config: PanopticTaskConfig,
    batch_size: int,
    image_limit: int = -1,
) -> tuple[dict[str, Any], int]:
    """Evaluates on the validation data of a task.

    Args:
      predict: segments of the padded images.
      config: names the data.
      batch_size: images at a time.
      image_limit: how many images to take at most; -1: all.

    Returns:
      The report (`evaluation.panoptic_report`) and the number of images.

    Raises:
      FileNotFoundError: there are no records.
      ValueError: they are damaged or do not fit the data set.
    """
    spec = dataset_spec(config.dataset)
    data = pipeline_config(config.validation_data, config)
    data = dataclasses.replace(data, with_targets=False, batch_size=1)
    dataset = make_dataset(data, spec).unbatch()
    dataset = dataset.take(image_limit).batch(batch_size)
    images_spec = tf.TensorSpec([None, *data.crop_size_px, 3], tf.float32)
    step = tf.function(predict, input_signature=[images_spec])
    evaluation, count = PanopticEvaluation(spec), 0
    names = (keys.PANOPTIC, keys.IMAGE_ID, keys.HEIGHT, keys.WIDTH)
    try:
        for images, labels in dataset.prefetch(tf.data.AUTOTUNE):
            truth = {name: labels[name].numpy() for name in names}
            truth[keys.IMAGE_ID] = [
                one.decode() for one in truth[keys.IMAGE_ID]
            ]
            evaluation.update(truth, step(images).numpy())
            count += images.shape[0]
    except tf.errors.DataLossError:
        check_records(data.file_pattern)
        raise
    if not count:
        raise ValueError(f"{data.file_pattern} holds no example.")
    return evaluation.finish(), count
