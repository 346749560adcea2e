"""MobileNetV3 (arXiv:1905.02244, Tables 1 and 2) as segmentation reads it.

Levels are what the last depthwise convolution of a resolution returns, and at
the end a 1x1 convolution; the classifiers' last layers are left out.
"""

import dataclasses
from typing import NamedTuple

import tensorflow as tf

from axial_deeplab.backbones.backbone import (
    Backbone,
    insert_non_local,
    normalize_images,
)
from axial_deeplab.backbones.stage_plan import drop_path_rates, plan_strides
from axial_deeplab.layers.configurable import register, without_autograph
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.inverted_residual import (
    InvertedOptions,
    InvertedResidual,
    divisible,
)
from axial_deeplab.layers.normalization import NormOptions


@register
class MobileNet(Backbone):
    """Images to {level: feature}, from inside of the last block of a level.

    As `Backbone`, whose stem is the first block here.
    """

    @without_autograph
    def call(
        self, images: tf.Tensor, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """[B, H, W, 3] -> {level: [B, H', W', C]}."""
        x = normalize_images(images, self.compute_dtype, self.pixels)
        endpoints = {}
        for level, blocks in self.levels.items():
            for block in blocks:
                x = block(x, training=training)
                endpoints[level] = x
                if isinstance(block, InvertedResidual):
                    endpoints[level], x = x
        return endpoints


class _Block(NamedTuple):
    """An inverted residual; `expanded` in multiples of its input."""

    level: str
    kernel_size: int
    stride: int
    filters: int
    expansion: float
    gated: bool
    activation: str


_RELU, _SWISH = "relu", "hard_swish"
_SMALL = (
    _Block("2", 3, 2, 16, 1, True, _RELU),
    _Block("3", 3, 2, 24, 72 / 16, False, _RELU),
    _Block("3", 3, 1, 24, 88 / 24, False, _RELU),
    _Block("4", 5, 2, 40, 4, True, _SWISH),
    _Block("4", 5, 1, 40, 6, True, _SWISH),
    _Block("4", 5, 1, 40, 6, True, _SWISH),
    _Block("4", 5, 1, 48, 3, True, _SWISH),
    _Block("4", 5, 1, 48, 3, True, _SWISH),
    _Block("5", 5, 2, 96, 6, True, _SWISH),
    _Block("5", 5, 1, 96, 6, True, _SWISH),
    _Block("5", 5, 1, 96, 6, True, _SWISH),
)
_LARGE = (
    _Block("1", 3, 1, 16, 1, False, _RELU),
    _Block("2", 3, 2, 24, 4, False, _RELU),
    _Block("2", 3, 1, 24, 3, False, _RELU),
    _Block("3", 5, 2, 40, 3, True, _RELU),
    _Block("3", 5, 1, 40, 3, True, _RELU),
    _Block("3", 5, 1, 40, 3, True, _RELU),
    _Block("4", 3, 2, 80, 6, False, _SWISH),
    _Block("4", 3, 1, 80, 2.5, False, _SWISH),
    _Block("4", 3, 1, 80, 2.3, False, _SWISH),
    _Block("4", 3, 1, 80, 2.3, False, _SWISH),
    _Block("4", 3, 1, 112, 6, True, _SWISH),
    _Block("4", 3, 1, 112, 6, True, _SWISH),
    _Block("5", 5, 2, 160, 6, True, _SWISH),
    _Block("5", 5, 1, 160, 6, True, _SWISH),
    _Block("5", 5, 1, 160, 6, True, _SWISH),
)
_FIRST_FILTERS, _FIRST_STRIDE = 16, 2
# Of the public checkpoints.
NORM = NormOptions(epsilon=1e-5)


@dataclasses.dataclass(frozen=True)
class MobileNetSpec:
    """A row: blocks between the two convolutions, channels of the last one.

    `width` multiplies all channels; `non_local` names the blocks, such as
    "block_8", behind which a non-local block stands.
    """

    blocks: tuple[_Block, ...]
    last_filters: int
    width: float = 1.0
    non_local: tuple[str, ...] = ()

    def build(
        self,
        output_stride: int = 32,
        drop_path: float = 0.0,
        norm: NormOptions | None = None,
        recompute: bool = False,
    ) -> MobileNet:
        """See `build_mobilenet`."""
        return build_mobilenet(self, output_stride, drop_path, norm, recompute)


MOBILENETS = {
    "mobilenet_v3_small": MobileNetSpec(_SMALL, 576),
    "mobilenet_v3_large": MobileNetSpec(_LARGE, 960),
}


def build_mobilenet(
    spec: MobileNetSpec,
    output_stride: int = 32,
    drop_path: float = 0.0,
    norm: NormOptions | None = None,
    recompute: bool = False,
) -> MobileNet:
    """The backbone that a row describes.

    Blocks are counted through, from the first convolution "block_0" on.
    Arguments and errors are those of `build_resnet`.
    """
    norm = norm or NORM
    strides = plan_strides(
        [block.stride for block in spec.blocks], _FIRST_STRIDE, output_stride
    )
    rates = drop_path_rates(drop_path, len(spec.blocks))
    channels = divisible(_FIRST_FILTERS * spec.width)
    levels = {"1": [_convolution(channels, 3, _FIRST_STRIDE, norm, 0)]}
    for i, block in enumerate(spec.blocks):
        filters = divisible(block.filters * spec.width)
        layer = InvertedResidual(
            filters,
            _options(block, channels, filters),
            *strides[i],
            rates[i],
            norm,
            recompute,
            name=f"block_{i + 1}",
        )
        levels.setdefault(block.level, []).append(layer)
        channels = filters
    last = divisible(spec.last_filters * spec.width)
    levels["5"].append(_convolution(last, 1, 1, norm, len(spec.blocks) + 1))
    levels = insert_non_local(levels, spec.non_local, norm)
    return MobileNet(None, levels, name="backbone")


def _options(block: _Block, channels: int, filters: int) -> InvertedOptions:
    expanded = channels
    if block.expansion > 1:
        expanded = divisible(channels * block.expansion)
    return InvertedOptions(
        expanded,
        block.kernel_size,
        block.gated,
        block.activation,
        # A stride that is dropped brings no residual.
        residual=block.stride == 1 and channels == filters,
    )


def _convolution(
    filters: int, kernel_size: int, stride: int, norm: NormOptions, index: int
) -> ConvNormAct:
    return ConvNormAct(
        filters,
        kernel_size,
        stride,
        activation=_SWISH,
        norm=norm,
        name=f"block_{index}",
    )
