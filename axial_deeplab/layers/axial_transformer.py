"""Blocks of axial transformers (arXiv:1912.12180), and what they consist of."""

import dataclasses
from typing import NamedTuple

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.activations import gelu
from axial_deeplab.layers.axial_heads import AxialHeads
from axial_deeplab.layers.axial_pass import AxialPass, projection
from axial_deeplab.layers.configurable import (
    Configurable,
    Options,
    register,
    without_autograph,
)
from axial_deeplab.layers.group_norm import ChannelNorm
from axial_deeplab.layers.head_ops import HeadOptions
from axial_deeplab.layers.recomputation import recompute_in_gradient
from axial_deeplab.layers.regularization import DropPath
from axial_deeplab.layers.window_heads import WindowHeads

# Passes by the name of an order.
ORDERS = {
    "row_column": ("row", "column"),
    "column_row": ("column", "row"),
    "row": ("row",),
    "column": ("column",),
    "window": ("window",),
    "full": ("full",),
}


@register
@dataclasses.dataclass(frozen=True)
class TransformerOptions(Options):
    """What an `AxialTransformerBlock` does.

    Attributes:
      order: a name of `ORDERS`: passes along rows, along columns, in windows,
        or of all places to all.
      skip: passes of the order that are left out.
      window: side of a window.
      share_projections: whether the passes use the same projections, so that
        there are as many parameters as for one standard attention.
      post_norm: norms behind the sums, not in front of the branches.
      ratio: of channels inside the feed-forward part.
      heads: heads and offsets of all passes.
    """

    order: str = "row_column"
    skip: tuple[str, ...] = ()
    window: int = 8
    share_projections: bool = False
    post_norm: bool = False
    ratio: int = 4
    heads: HeadOptions = HeadOptions()

    def __post_init__(self):
        object.__setattr__(self, "skip", tuple(self.skip))
        if self.order not in ORDERS:
            raise ValueError(
                f"`order` must be one of {', '.join(ORDERS)}; got "
                f"{self.order!r}."
            )
        unknown = sorted(set(self.skip) - set(ORDERS[self.order]))
        if unknown:
            raise ValueError(
                f"`skip` must hold passes of the order {self.order!r}, "
                f"{' and '.join(ORDERS[self.order])}; got "
                f"{', '.join(unknown)}."
            )
        if self.ratio < 1:
            raise ValueError(f"`ratio` must be positive; got {self.ratio}.")

    @property
    def passes(self) -> tuple[str, ...]:
        """Names of the passes in their order."""
        return tuple(p for p in ORDERS[self.order] if p not in self.skip)

    def build_heads(self, name: str) -> AxialHeads | WindowHeads:
        """Those of a pass."""
        axes = {"row": "width", "column": "height"}
        if name in axes:
            return AxialHeads(axes[name], self.heads, name="heads")
        window = self.window if name == "window" else None
        return WindowHeads(window, self.heads, name="heads")


class AxialMasks(NamedTuple):
    """Which keys take part, by the name of a pass; None: all.

    bool [B, H, W]; of rows also [B, H, W, W] and of columns [B, H, W, H],
    for the query at H, W first.
    """

    row: tf.Tensor | None = None
    column: tf.Tensor | None = None
    window: tf.Tensor | None = None
    full: tf.Tensor | None = None


@register
class FeedForward(Configurable, tf_keras.layers.Layer):
    """Dense layer to `ratio` C channels, GELU, dense layer back to C.

    Input and output [B, H, W, C].

    Args:
      filters: C.
      ratio: of channels in between.
    """

    def __init__(self, filters: int, ratio: int = 4, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.ratio = filters, ratio
        self.expand = projection(ratio * filters, "expand")
        self.reduce = projection(filters, "reduce")

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        del training
        return self.reduce(gelu(self.expand(x)))


@register
class AxialTransformerBlock(Configurable, tf_keras.layers.Layer):
    """Attention passes one after the other, then a feed-forward part.

    Input and output [B, H, W, filters], any H and W. Each part is a residual
    branch, x + Part(Norm(x)), or with post-norm Norm(x + Part(x)). Two passes
    along the axes give every place a view of the whole map.

    Call arguments:
      masks: `AxialMasks`, or None.

    Args:
      filters: channels.
      options: passes, heads, norms.
      drop_path: probability of dropping each branch in training.
      recompute: whether training stores only the inputs of the branches, and
        computes their activations again for the gradient.
    """

    def __init__(
        self,
        filters: int,
        options: TransformerOptions | None = None,
        drop_path: float = 0.0,
        recompute: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.options = filters, options or TransformerOptions()
        self.drop_path, self.recompute = drop_path, recompute
        shared = {}
        if self.options.share_projections:
            shared = {
                "qkv_projection": projection(3 * filters, "qkv_projection"),
                "output_projection": projection(filters, "output_projection"),
            }
        self.branches = [
            AxialPass(
                filters, self.options.build_heads(name), **shared, name=name
            )
            for name in self.options.passes
        ]
        self.branches.append(
            FeedForward(filters, self.options.ratio, name="feed_forward")
        )
        self.norms = [
            ChannelNorm(name=f"{branch.name}_norm") for branch in self.branches
        ]
        self.drop = DropPath(drop_path, name="drop_path")

    @without_autograph
    def call(
        self,
        x: tf.Tensor,
        training: bool = False,
        masks: AxialMasks | None = None,
    ) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        masks = (masks or AxialMasks())._asdict()
        for branch, norm in zip(self.branches, self.norms, strict=True):
            arguments = {}
            if masks.get(branch.name) is not None:
                arguments["mask"] = masks[branch.name]
            y = x if self.options.post_norm else norm(x, training=training)
            y = self._run(branch, y, training, arguments)
            x += self.drop(y, training=training)
            if self.options.post_norm:
                x = norm(x, training=training)
        return x

    def _run(
        self,
        branch: tf_keras.layers.Layer,
        x: tf.Tensor,
        training: bool,
        arguments: dict[str, tf.Tensor],
    ) -> tf.Tensor:
        if training and self.recompute:
            return recompute_in_gradient(
                lambda x: branch(x, training=True, **arguments), x
            )
        return branch(x, training=training, **arguments)
