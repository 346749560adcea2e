"""What all models have in common: images of any size in."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable


class ImageModel(Configurable):
    """Mixin for models that take images [B, H, W, 3] of any size."""

    def build(self, input_shape: tf.TensorShape | tuple) -> None:
        """Creates all weights, which fit every size.

        One eager call of a small image: tracing a call of unknown size, as
        Keras would, takes four times as long.
        """
        with tf.init_scope():
            self.call(tf.zeros([1, 32, 32, 3]))
        # Without this a SavedModel would take the size of the first call only.
        self._set_save_spec(tf.TensorSpec([None, None, None, 3]))
        tf_keras.layers.Layer.build(self, input_shape)
