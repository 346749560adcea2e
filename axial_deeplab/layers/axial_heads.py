"""Attention along one axis of a map, as transformers do it."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers import axial_lines, chunks, head_ops
from axial_deeplab.layers.chunks import Size, size_of
from axial_deeplab.layers.configurable import (
    Configurable,
    register,
    without_autograph,
)
from axial_deeplab.layers.head_ops import HeadOptions
from axial_deeplab.layers.line_attention import Terms
from axial_deeplab.layers.relative_position import offset_window


@register
class AxialHeads(Configurable, tf_keras.layers.Layer):
    """Attends along one axis: every row, or every column, is a line.

    Input [B, H, W, 3C]: queries, keys and values side by side, whose
    projections are the caller's. Output [B, H, W, C], any H and W. Both axes
    together take O(H W (H + W)) time, not O((H W)^2) (arXiv:1912.12180).

    Call arguments:
      mask: which keys take part, bool: [B, H, W], or by query [B, H, W, L]
        with L keys of its row (or column). A query without keys gets zeros.

    Args:
      axis: "width" attends within rows, "height" within columns.
      options: heads and offsets.
    """

    def __init__(self, axis: str, options: HeadOptions | None = None, **kwargs):
        super().__init__(**kwargs)
        if axis not in axial_lines.ACROSS:
            raise ValueError(
                f'`axis` must be "height" or "width"; got {axis!r}.'
            )
        self.axis, self.options = axis, options or HeadOptions()

    def build(self, input_shape) -> None:
        depth = head_ops.depth_of(input_shape[-1], self.options.heads)
        if self.options.relative:
            self.offsets = head_ops.add_offsets(
                self, "offsets", self.options.max_distance, depth
            )
        self.built = True

    @without_autograph
    def call(
        self,
        qkv: tf.Tensor,
        training: bool = False,
        mask: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """[B, H, W, 3C] -> [B, H, W, C]."""
        head_ops.check_mask(mask, ranks=(3, 4))
        parts = {"qkv": qkv} | ({} if mask is None else {"mask": mask})
        if training:
            y = self._rows(parts, training)
            return self.silence(tf.cast(y, qkv.dtype), mask)
        # Group after group of lines: few of their maps are alive.
        across = axial_lines.ACROSS[self.axis]
        group = axial_lines.rows_at_once(qkv, self.axis, qkv.shape[-1])
        y = chunks.scan_chunks(
            lambda _, __, parts: ((), self._rows(parts, training)),
            parts,
            (),
            across,
            group,
            across,
        )[1]
        return self.silence(tf.cast(y, qkv.dtype), mask)

    def silence(self, x: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """[B, H, W, C], zero at queries all of whose keys are masked."""
        if mask is None:
            return x
        if len(mask.shape) == 4:
            some = tf.reduce_any(mask, -1, keepdims=True)
        else:
            along = {"height": 1, "width": 2}[self.axis]
            some = tf.reduce_any(mask, along, keepdims=True)[..., tf.newaxis]
        return tf.where(some, x, tf.zeros([], x.dtype))

    def _rows(self, parts: Terms, training: bool) -> tf.Tensor:
        query, key, value = head_ops.split(parts["qkv"], self.options.heads)
        mask, heads = parts.get("mask"), self.options.heads
        lines = axial_lines.lines_of_maps((query, key, value), self.axis, heads)
        length = size_of(lines.query, 1)
        if self.options.relative == "scalar":
            count = size_of(lines.query, 0)
            lines = lines._replace(
                places={"query": _which_head(heads, length, count)}
            )
        windows = {}
        if self.options.relative:
            lines = axial_lines.with_factors(lines, {"query": tf.ones([heads])})
            offsets = tf.range(2 * length - 1) - (length - 1)
            windows["query"] = offset_window(self.offsets, offsets)
        y = head_ops.attend(
            lines, windows, mask, self.axis, self.options, training
        )
        return axial_lines.from_lines(y, query, self.axis, heads)


def _which_head(heads: int, length: Size, count: Size) -> tf.Tensor:
    """[L, n, heads]: 1 at the head of each of n lines."""
    one_hot = tf.tile(tf.eye(heads), [count // heads, 1])
    return tf.tile(one_hot[tf.newaxis], [length, 1, 1])
