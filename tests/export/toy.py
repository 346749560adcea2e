"""A small data set and a model for it: convolutions with fixed weights."""

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.data.dataset_specs import ClassSpec, DatasetSpec
from axial_deeplab.postprocess import PanopticRules, PanopticSettings

TOY_DATASET = DatasetSpec(
    name="toy",
    classes=(
        ClassSpec(0, 7, "grass", False, (0, 200, 0)),
        ClassSpec(1, 3, "sheep", True, (250, 250, 250)),
        ClassSpec(2, 9, "dog", True, (120, 60, 0)),
    ),
    num_classes=3,
    ignore_label=255,
    label_divisor=256,
)
TOY_SETTINGS = PanopticSettings(
    thing_ids=(1, 2),
    ignore_label=255,
    label_divisor=256,
    nms_kernel_px=5,
    keep_k_centers=20,
    stuff_area_limit_px=6,
    rules=PanopticRules(stuff_above_limit=True),
)


@tf_keras.saving.register_keras_serializable("axial_deeplab_tests")
class ToyPanopticModel(tf_keras.Model):
    """Three heads on two convolutions and a norm; any image size."""

    def __init__(self, num_classes: int = 3, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes

        def conv(filters, seed, scale=1.0):
            return tf_keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                kernel_initializer=tf_keras.initializers.RandomNormal(
                    stddev=scale, seed=seed
                ),
            )

        self.stem = tf_keras.Sequential(
            [conv(8, 1, 0.3), tf_keras.layers.BatchNormalization()]
        )
        self.heads = {
            keys.SEMANTIC_LOGITS: conv(num_classes, 2),
            keys.CENTER_HEATMAP: conv(1, 3, 0.1),
            keys.CENTER_OFFSET: conv(2, 4),
        }

    def call(self, images: tf.Tensor, training: bool = False):
        x = tf.cast(images, tf.float32) / 127.5 - 1.0
        x = tf.nn.relu(self.stem(x, training=training))
        return {name: head(x) for name, head in self.heads.items()}
