"""Mixers: what kind of spatial layer a residual block has.

A backbone's specification holds a mixer; the mixer builds the layer; the block
takes the built layer. A new kind of block is a new mixer here and its layer.
"""

import dataclasses
from typing import Protocol

import tf_keras

from axial_deeplab.layers.attention_options import (
    POSITION_SENSITIVE,
    AttentionOptions,
    LocalOptions,
)
from axial_deeplab.layers.axial_attention import (
    AxialAttention,
    AxialAttention2D,
)
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.local_attention import LocalAttention2D
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.switchable_conv import SwitchableConvNorm

# A map of 56 x 56 is one chunk: 10 % less time in a classifier's inference.
_OPTIONS = AttentionOptions(min_chunks=1)


class Mixer(Protocol):
    """What a backbone asks of a mixer."""

    def inner_filters(self, width: int) -> int:
        """Channels between the two 1x1 convolutions of a block."""

    def build(
        self,
        width: int,
        stride: int,
        norm: NormOptions | None = None,
        dilation: int = 1,
    ) -> tf_keras.layers.Layer:
        """The spatial layer of one block of a stage of this width."""


@dataclasses.dataclass(frozen=True)
class ConvMixer:
    """One convolution of the stage width (arXiv:1512.03385, Fig. 5).

    Where a backbone drops a stride, later convolutions are dilated instead.
    `expansion` multiplies the channels that come out.
    """

    kernel_size: int = 3
    expansion: int = 1

    def inner_filters(self, width: int) -> int:
        """Channels between the two 1x1 convolutions of a block."""
        return width

    def build(
        self,
        width: int,
        stride: int,
        norm: NormOptions | None = None,
        dilation: int = 1,
    ) -> ConvNormAct:
        """The spatial layer of one block; the block adds the ReLU."""
        return ConvNormAct(
            self.expansion * width,
            self.kernel_size,
            stride=stride,
            dilation=dilation,
            activation=False,
            norm=norm,
            name="convolution",
        )


@dataclasses.dataclass(frozen=True)
class SwitchableMixer(ConvMixer):
    """The same at two atrous rates, with a switch (arXiv:2006.02334)."""

    expansion: int = 2

    def build(
        self,
        width: int,
        stride: int,
        norm: NormOptions | None = None,
        dilation: int = 1,
    ) -> SwitchableConvNorm:
        """The spatial layer of one block; the block adds the ReLU."""
        return SwitchableConvNorm(
            self.expansion * width,
            self.kernel_size,
            stride,
            dilation,
            norm,
            name="convolution",
        )


@dataclasses.dataclass(frozen=True)
class AxialMixer:
    """Height and width attention, q : k : v = 1 : 1 : 2 of the stage width.

    (arXiv:2003.07853, section 3.3: d_in = d_out = 2 d_q over all heads.)
    `pooled` averages where a layer strides (see `AxialAttention2D`); wider
    models have other `expansions` of the stage width: of queries and keys, and
    of values.
    """

    heads: int = 8
    span: int | None = None
    max_distance: int = 255
    pooled: bool = False
    expansions: tuple[int, int] = (1, 2)

    def inner_filters(self, width: int) -> int:
        """Channels between the two 1x1 convolutions of a block."""
        return self.expansions[1] * width

    def build(
        self,
        width: int,
        stride: int,
        norm: NormOptions | None = None,
        dilation: int = 1,
    ) -> AxialAttention2D:
        """The spatial layer of one block; never dilated (section 3.4)."""
        del dilation
        height, across = (
            AxialAttention(
                filters=self.expansions[1] * width,
                key_filters=self.expansions[0] * width,
                axis=axis,
                heads=self.heads,
                span=self.span,
                max_distance=self.max_distance,
                options=_OPTIONS,
                norm=norm,
                name=f"{axis}_axis",
            )
            for axis in ("height", "width")
        )
        return AxialAttention2D(
            height, across, stride, self.pooled, name="attention"
        )


@dataclasses.dataclass(frozen=True)
class BasicConvs:
    """No mixer, but a sign that blocks are two 3x3 convolutions."""


@dataclasses.dataclass(frozen=True)
class HybridMixer:
    """Convolutions, and axial attention from an input stride on.

    (arXiv:2012.00759, section 3.4; arXiv:2106.09748, section 4.) The first
    block of a level is given the stride of the level before.
    """

    axial: AxialMixer = AxialMixer()
    convolution: ConvMixer | BasicConvs = ConvMixer()
    from_stride: int = 16


@dataclasses.dataclass(frozen=True)
class LastLevelMixer:
    """One mixer in level "5", another in front (arXiv:2011.11675, Table 1)."""

    last: ConvMixer | SwitchableMixer = ConvMixer(expansion=2)
    others: ConvMixer | BasicConvs = BasicConvs()


@dataclasses.dataclass(frozen=True)
class LocalMixer:
    """Attention in span x span windows, q = k = v = the stage width.

    (arXiv:2003.07853, section 3.2; arXiv:1906.05909, section 4.1.)
    """

    heads: int = 8
    span: int = 7
    options: LocalOptions = POSITION_SENSITIVE

    def inner_filters(self, width: int) -> int:
        """Channels between the two 1x1 convolutions of a block."""
        return width

    def build(
        self,
        width: int,
        stride: int,
        norm: NormOptions | None = None,
        dilation: int = 1,
    ) -> LocalAttention2D:
        """The spatial layer of one block; never dilated."""
        del dilation
        return LocalAttention2D(
            width,
            self.heads,
            self.span,
            stride,
            self.options,
            norm,
            name="attention",
        )
