"""Image classification on top of any backbone."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import register, without_autograph
from axial_deeplab.layers.image_model import ImageModel


@register
class ImageClassifier(ImageModel, tf_keras.Model):
    """Mean of the last level, then one dense layer.

    Input [B, H, W, 3], values 0..255; output logits [B, num_classes], float32.

    Args:
      backbone: images to {level: feature}.
      num_classes: number of logits.
    """

    def __init__(self, backbone: tf_keras.Model, num_classes: int, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.backbone, self.num_classes = backbone, num_classes
        self.classify = tf_keras.layers.Dense(
            num_classes, dtype=tf.float32, name="classify"
        )

    @property
    def checkpoint_items(self) -> dict[str, tf.Module]:
        """Parts that a checkpoint may restore one by one."""
        return {"backbone": self.backbone}

    @without_autograph
    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, 3] -> [B, num_classes]."""
        features = self.backbone(images, training=training)["5"]
        pooled = tf.reduce_mean(tf.cast(features, tf.float32), axis=[1, 2])
        return self.classify(pooled)
