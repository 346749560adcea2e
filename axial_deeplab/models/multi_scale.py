"""Inference at several scales and mirrored, averaged before post-processing.

Panoptic-DeepLab (arXiv:1911.10194), section 4, whose test-time augmentation
Axial-DeepLab takes over: class probabilities, centre heatmaps and offsets are
plain means over all runs, and segments are formed once, from the means.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.layers.convolution import resize_to
from axial_deeplab.models.panoptic_deeplab import resize_prediction

# With flip, as the multiply-adds of arXiv:2003.07853, Tables 2 and 4 imply.
COCO_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5)
MAPILLARY_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)

Maps = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class MultiScale:
    """Runs a model at several sizes of the image, and mirrored; averages.

    Every run is at its true size: a side of n pixels becomes
    int((n - 1) * scale + 1), so that corners stay corners.

    Args:
      scales: factors of height and width; (1.0,) is plain inference.
      flip: also run on the image mirrored left to right.

    Raises:
      ValueError: no scale, or one that is not a positive number.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", tuple(self.scales))
        if not self.scales or not all(
            0 < scale < float("inf") for scale in self.scales
        ):
            raise ValueError(
                "`scales` must be positive numbers, at least one; got "
                f"{list(self.scales)}."
            )

    @property
    def runs(self) -> int:
        """How often the model is called for an image."""
        return len(self.scales) * (1 + self.flip)

    def predict(
        self, model: Callable[[tf.Tensor], Maps], images: tf.Tensor
    ) -> Maps:
        """Means over all runs, at the size of the images.

        One run follows the other, also in a graph: the memory is that of the
        largest. A model without instances is averaged in the same way.

        Args:
          model: images to the outputs of a panoptic or semantic model, in
            inference; a model itself will do.
          images: [B, H, W, 3] in 0..255.

        Returns:
          The outputs of the model by their names in `keys`, averaged, and
          SEMANTIC_PROBABILITIES, float32 [B, H, W, K]. Offsets are in pixels
          of `images`. Mean logits serve a loss; the probabilities are means
          of softmaxes, which is something else.
        """
        total: Maps = {}
        for scale in self.scales:
            for mirrored in (False, True)[: 1 + self.flip]:
                one = _run(model, _after(images, total), scale, mirrored)
                total = {
                    name: total[name] + value if total else value
                    for name, value in one.items()
                }
        return {name: value / self.runs for name, value in total.items()}


def scaled_size(images: tf.Tensor, scale: float) -> tf.Tensor:
    """Height and width, int32 [2], of the images at a scale."""
    sides = images.shape[1:3]
    if sides.is_fully_defined():  # then the shape of the result is known, too
        return tf.constant([int((side - 1) * scale + 1) for side in sides])
    sides = tf.cast(tf.shape(images)[1:3] - 1, tf.float64)
    return tf.cast(sides * scale + 1, tf.int32)


def _run(
    model: Callable[[tf.Tensor], Maps],
    images: tf.Tensor,
    scale: float,
    mirrored: bool,
) -> Maps:
    """What one run adds to the sums, at the size of the images."""
    inputs = images
    if scale != 1:
        inputs = tf.cast(images, tf.float32)
        inputs = resize_to(inputs, scaled_size(images, scale))
    if mirrored:
        inputs = inputs[:, :, ::-1]
    outputs = {
        name: tf.cast(value, tf.float32)
        for name, value in model(inputs).items()
    }
    if mirrored:
        outputs = _unmirrored(outputs)
    if scale != 1:
        size = tf.shape(images)[1:3]
        outputs = {
            name: resize_prediction(name, value, size, images.shape[1:3])
            for name, value in outputs.items()
        }
    logits = outputs[keys.SEMANTIC_LOGITS]
    return outputs | {keys.SEMANTIC_PROBABILITIES: tf.nn.softmax(logits)}


def _unmirrored(outputs: Maps) -> Maps:
    """Outputs for the mirror image as outputs for the image."""
    outputs = {name: value[:, :, ::-1] for name, value in outputs.items()}
    if keys.CENTER_OFFSET in outputs:
        # What was to the right is to the left.
        outputs[keys.CENTER_OFFSET] *= (1.0, -1.0)
    return outputs


def _after(images: tf.Tensor, total: Maps) -> tf.Tensor:
    """The images, to be read once the sums so far are there."""
    # Logits are not waited for: who needs no loss need not compute their sum.
    done = [total[name] for name in total if name != keys.SEMANTIC_LOGITS]
    with tf.control_dependencies(done):
        return tf.identity(images) if done else images
