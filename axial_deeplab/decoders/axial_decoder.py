"""The axial decoder (arXiv:2003.07853, appendix B).

Its figure shows an axial block with upsampling and encoder features, without
sizes. Of the readings we counted, this one comes nearest to what the paper
prints for Axial-DeepLab-L at both output strides: 45.4M parameters and 722.7B
multiply-adds at 16 (ours, in the paper's accounting: 45.38M and 722.2B), 45.9M
and 577.8B at 32 (45.87M and 577.1B).
"""

import tensorflow as tf
import tf_keras

from axial_deeplab.decoders.dual_conv import DualDecoderSpec, low_level_filters
from axial_deeplab.layers.configurable import Configurable, register
from axial_deeplab.layers.convolution import ConvNormAct, resize_to
from axial_deeplab.layers.mixers import AxialMixer
from axial_deeplab.layers.normalization import NormOptions


@register
class AxialDecoderBlock(Configurable, tf_keras.layers.Layer):
    """An axial block that upsamples to a level of the encoder and reads it.

    1x1 -> upsample -> joined with the 1x1 of the encoder's map -> spatial layer
    -> ReLU -> 1x1, plus the upsampled shortcut, ReLU. Inputs [B, h, w, C] and
    the encoder's [B, H, W, D], output [B, H, W, filters].

    Args:
      spatial: built layer of stride 1, usually axial attention.
      inner_filters: channels of the first 1x1 convolution.
      filters: channels of the encoder's 1x1 convolution and of the output.
      norm: constants of the batch norms.
    """

    def __init__(
        self,
        spatial: tf_keras.layers.Layer,
        inner_filters: int,
        filters: int,
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.spatial, self.norm = spatial, norm or NormOptions()
        self.inner_filters, self.filters = inner_filters, filters
        self.reduce = ConvNormAct(inner_filters, norm=self.norm, name="reduce")
        self.encoder = ConvNormAct(filters, norm=self.norm, name="encoder")
        self.expand = ConvNormAct(
            filters,
            activation=False,
            gamma_initializer="zeros",
            norm=self.norm,
            name="expand",
        )
        self.shortcut = None

    def build(self, input_shape) -> None:
        if input_shape[0][-1] != self.filters:
            self.shortcut = ConvNormAct(
                self.filters, activation=False, norm=self.norm, name="shortcut"
            )
        self.built = True

    def call(
        self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """[B, h, w, C] and [B, H, W, D] -> [B, H, W, filters]."""
        x, encoder = inputs
        size = tf.shape(encoder)[1:3]
        shortcut = x
        if self.shortcut is not None:
            shortcut = self.shortcut(x, training=training)
        x = resize_to(self.reduce(x, training=training), size)
        encoder = self.encoder(encoder, training=training)
        x = self.spatial(tf.concat([x, encoder], -1), training=training)
        x = self.expand(tf.nn.relu(x), training=training)
        return tf.nn.relu(x + resize_to(shortcut, size))


@register
class AxialDecoder(Configurable, tf_keras.layers.Layer):
    """Shared axial decoder blocks, then one of each branch.

    Args:
      shared: blocks by the level they read, from coarse to fine.
      semantic: block behind the shared ones for the semantic head; it reads
        the finest of their levels again.
      instance: the same for the center and offset heads.
    """

    def __init__(
        self,
        shared: dict[str, AxialDecoderBlock],
        semantic: AxialDecoderBlock,
        instance: AxialDecoderBlock,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.shared = dict(shared)
        self.semantic, self.instance = semantic, instance

    def call(
        self, features: dict[str, tf.Tensor], training: bool = False
    ) -> dict[str, tf.Tensor]:
        """{level: map} -> {"semantic": map, "instance": map} at stride 4."""
        x = features["5"]
        for level, block in self.shared.items():
            encoder = features[level]
            x = block((x, encoder), training=training)
        inputs = (x, encoder)
        return {
            "semantic": self.semantic(inputs, training=training),
            "instance": self.instance(inputs, training=training),
        }


def build_axial_decoder(
    spec: DualDecoderSpec,
    output_stride: int,
    mixer: AxialMixer,
    norm: NormOptions | None = None,
) -> AxialDecoder:
    """The decoder of a row: shared blocks as wide as its semantic branch.

    The blocks of the branches are half as wide as those of the row.

    Raises:
      ValueError: the output stride is neither 16 nor 32.
    """

    def block(filters: int, name: str) -> AxialDecoderBlock:
        width = filters // 4
        return AxialDecoderBlock(
            mixer.build(width, 1, norm),
            mixer.inner_filters(width),
            filters,
            norm,
            name=name,
        )

    shared = {
        level: block(spec.semantic_filters, f"shared_{level}")
        for level in low_level_filters(output_stride)[0]
    }
    return AxialDecoder(
        shared,
        block(spec.semantic_filters // 2, "semantic"),
        block(spec.instance_filters // 2, "instance"),
        name="decoder",
    )
