"""MaX-DeepLab-L's encoder: a backbone and the stacked decoder behind it.

(arXiv:2012.00759, section 3.4.) Level "5" is brought up to stride 4 and down
to stride 16 again, and meets the lower levels on the way. The public panoptic
models read none of it; the encoders trained on ImageNet end in it.
"""

import dataclasses
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from axial_deeplab.backbones.backbone import (
    Backbone,
    Levels,
    PixelStatistics,
    normalize_images,
)
from axial_deeplab.backbones.published_resnets import PUBLISHED_RESNETS
from axial_deeplab.backbones.resnet import (
    ResNetSpec,
    build_block,
    build_resnet,
)
from axial_deeplab.backbones.stage_plan import BlockPlan
from axial_deeplab.layers.configurable import (
    Configurable,
    register,
    without_autograph,
)
from axial_deeplab.layers.convolution import ConvNormAct, resize_to
from axial_deeplab.layers.normalization import NormOptions

STACK = "stack"
_OUTPUT_STRIDE = 16


class _Step(NamedTuple):
    """What is resized, what it is added to, and the stage it is like."""

    source: str
    others: tuple[str, ...]
    like: int
    stride: int


_STEPS = {
    "stack1": _Step("5", ("3",), like=3, stride=1),
    "stack2": _Step("stack1", ("2",), like=2, stride=1),
    "stack3": _Step("stack2", ("3", "stack1"), like=3, stride=2),
    "stack4": _Step("stack3", ("5",), like=5, stride=2),
}


@register
class FusedSum(Configurable, tf_keras.layers.Layer):
    """ReLU, 1x1 convolution and norm of the first map, plus the others.

    Input a list of maps [B, H', W', C], [B, H, W, filters], ...; output [B, H,
    W, filters]. Without a stride the first is resized to the others.

    Args:
      filters: output channels.
      stride: of the convolution, 1 or 2.
      norm: constants of the batch norm.
    """

    def __init__(
        self,
        filters: int,
        stride: int = 1,
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.stride = filters, stride
        self.norm = norm or NormOptions()
        self.project = ConvNormAct(
            filters,
            stride=stride,
            activation=False,
            norm=self.norm,
            name="project",
        )

    def call(self, maps: list[tf.Tensor], training: bool = False) -> tf.Tensor:
        """[[B, H', W', C], [B, H, W, filters], ...] -> [B, H, W, filters]."""
        first, *others = maps
        x = self.project(tf.nn.relu(first), training=training)
        if self.stride == 1:
            x = resize_to(x, tf.shape(others[0])[1:3])
        return tf.add_n([x, *others])


@register
class StackedBackbone(Backbone):
    """A backbone whose level "stack", of stride 16, is the stacked decoder's.

    Args:
      stem: as `Backbone`.
      levels: as `Backbone`; they end in residual blocks.
      fusions: a `FusedSum` for each of the four steps.
      blocks: the residual block behind each of them.
      pixels: as `Backbone`.
    """

    def __init__(
        self,
        stem: tf_keras.layers.Layer,
        levels: Levels,
        fusions: list[tf_keras.layers.Layer],
        blocks: list[tf_keras.layers.Layer],
        pixels: PixelStatistics | None = None,
        **kwargs,
    ):
        super().__init__(stem, levels, pixels, **kwargs)
        self.fusions, self.blocks = list(fusions), list(blocks)

    @without_autograph
    def call(
        self, images: tf.Tensor, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """[B, H, W, 3] -> {level: [B, H', W', C]}."""
        x = normalize_images(images, self.compute_dtype, self.pixels)
        x, endpoints, sums = self.stem(x, training=training), {}, {}
        for level, blocks in self.levels.items():
            for block in blocks[:-1]:
                x = block(x, training=training)
            # Sums of blocks meet before their ReLU.
            sums[level] = blocks[-1](x, training=training, activate=False)
            x = endpoints[level] = tf.nn.relu(sums[level])
        parts = zip(_STEPS.items(), self.fusions, self.blocks, strict=True)
        for (name, step), fuse, block in parts:
            maps = [sums[one] for one in (step.source, *step.others)]
            x = tf.nn.relu(fuse(maps, training=training))
            sums[name] = block(x, training=training, activate=False)
        endpoints[STACK] = tf.nn.relu(sums[name])
        return endpoints


@dataclasses.dataclass(frozen=True)
class StackedSpec(ResNetSpec):
    """A row: that of the backbone, from which the stack follows."""

    def build(
        self,
        output_stride: int = _OUTPUT_STRIDE,
        drop_path: float = 0.0,
        norm: NormOptions | None = None,
        recompute: bool = False,
    ) -> StackedBackbone:
        """The backbone with the stack.

        Raises:
          ValueError: the output stride is not 16.
        """
        if output_stride != _OUTPUT_STRIDE:
            raise ValueError(
                "`output_stride` of a stacked backbone must be "
                f"{_OUTPUT_STRIDE}; got {output_stride}."
            )
        plain = build_resnet(self, output_stride, drop_path, norm, recompute)
        fusions, blocks = [], []
        for name, step in _STEPS.items():
            width = round(64 * self.width * 2 ** (step.like - 2))
            plan = BlockPlan(width, 1, drop_path, 2**step.like)
            mixer = self.mixer.convolution
            if step.like == 5:
                mixer = self.mixer.axial
            fusions.append(
                FusedSum(plan.filters, step.stride, norm, name=f"{name}_fuse")
            )
            blocks.append(
                build_block(
                    self, plan, mixer, norm, recompute, f"{name}_block0"
                )
            )
        return StackedBackbone(
            plain.stem,
            plain.levels,
            fusions,
            blocks,
            self.pixels,
            name="backbone",
        )


_FIELDS = {
    field.name: getattr(PUBLISHED_RESNETS["max_deeplab_l"], field.name)
    for field in dataclasses.fields(ResNetSpec)
}
STACKED_RESNETS = {"max_deeplab_l_stacked": StackedSpec(**_FIELDS)}
