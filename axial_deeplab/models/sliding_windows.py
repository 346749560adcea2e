"""Semantic inference in overlapping windows, as SegNeXt does on Cityscapes.

SegNeXt (arXiv:2209.08575), section 4: models that were trained on crops see
windows of that size; logits are averaged where windows overlap.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from axial_deeplab import keys

Maps = dict[str, tf.Tensor]
Model = Callable[[tf.Tensor], Maps]


@dataclasses.dataclass(frozen=True)
class SlidingWindows:
    """Runs a semantic model window by window.

    There are ceil((side - size) / stride) + 1 windows along a side, at least
    one; the last is moved back into the image. Windows are never larger than
    the image.

    Args:
      num_classes: logits of the model.
      size_px: side of a window.
      stride_px: from window to window.

    Raises:
      ValueError: a number below 1, or a stride that leaves gaps.
    """

    num_classes: int
    size_px: int = 1024
    stride_px: int = 768

    def __post_init__(self) -> None:
        if min(self.num_classes, self.stride_px) < 1:
            raise ValueError(
                "`num_classes` and `stride_px` must be at least 1; got "
                f"{self.num_classes} and {self.stride_px}."
            )
        if self.stride_px > self.size_px:
            raise ValueError(
                "Windows must touch: `stride_px` may be at most `size_px`; "
                f"got {self.stride_px} and {self.size_px}."
            )

    def around(self, model: Model) -> Model:
        """The model in windows, for example for `MultiScale.predict`.

        Its images are [B, H, W, 3]; it returns {SEMANTIC_LOGITS:
        [B, H, W, K]}, float32 means over the windows that see a pixel.
        """

        def predict(images: tf.Tensor) -> Maps:
            return {keys.SEMANTIC_LOGITS: self._logits(model, images)}

        return predict

    def _logits(self, model: Model, images: tf.Tensor) -> tf.Tensor:
        shape = tf.shape(images)
        sides = shape[1:3]
        window = tf.minimum(sides, self.size_px)
        steps = tf.maximum(sides - self.size_px + self.stride_px - 1, 0)
        grid = steps // self.stride_px + 1

        def body(
            index: tf.Tensor, total: tf.Tensor, visits: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            place = tf.stack([index // grid[1], index % grid[1]])
            start = tf.minimum(place * self.stride_px, sides - window)
            crop = tf.slice(
                images,
                tf.concat([[0], start, [0]], 0),
                tf.concat([[-1], window, [-1]], 0),
            )
            around = tf.stack([start, sides - window - start], axis=1)
            around = tf.pad(around, [[1, 1], [0, 0]])
            logits = tf.cast(model(crop)[keys.SEMANTIC_LOGITS], tf.float32)
            seen = tf.ones(tf.concat([[1], window, [1]], 0))
            total = tf.ensure_shape(total + tf.pad(logits, around), known)
            visits = tf.ensure_shape(visits + tf.pad(seen, around), anywhere)
            return index + 1, total, visits

        known = [*images.shape[:3], self.num_classes]
        anywhere = [1, *images.shape[1:3], 1]
        total = tf.zeros(tf.concat([shape[:3], [self.num_classes]], 0))
        visits = tf.zeros(tf.concat([[1], sides, [1]], 0))
        _, total, visits = tf.while_loop(
            lambda index, *_: index < grid[0] * grid[1],
            body,
            (
                0,
                tf.ensure_shape(total, known),
                tf.ensure_shape(visits, anywhere),
            ),
            shape_invariants=(
                tf.TensorShape([]),
                tf.TensorShape(known),
                tf.TensorShape(anywhere),
            ),
            parallel_iterations=1,
        )
        return total / visits
