"""Attention within windows of a map, as transformers do it."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers import axial_lines, chunks, head_ops
from axial_deeplab.layers.chunks import Size, size_of, sizes_of
from axial_deeplab.layers.configurable import (
    Configurable,
    register,
    without_autograph,
)
from axial_deeplab.layers.head_ops import HeadOptions
from axial_deeplab.layers.line_attention import Lines, Terms
from axial_deeplab.layers.relative_position import gather_rows

# The axis along which rows of windows lie.
_BANDS = axial_lines.ACROSS["width"]


@register
class WindowHeads(Configurable, tf_keras.layers.Layer):
    """Attends within windows of window x window places, or the whole map.

    Input [B, H, W, 3C]: queries, keys and values side by side. Output
    [B, H, W, C], any H and W: the last windows may reach beyond the map, where
    nothing is a key. Windows do not overlap.
    An offset is that of rows plus that of columns, with a table for each axis.

    Call arguments:
      mask: [B, H, W] bool, which keys take part. A query without keys in its
        window gets zeros.

    Args:
      window: side; None: the whole map, without offsets.
      options: heads and offsets.
    """

    def __init__(
        self,
        window: int | None = 8,
        options: HeadOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if window is not None and window < 1:
            raise ValueError(f"`window` must be positive; got {window}.")
        self.window, self.options = window, options or HeadOptions()

    @property
    def relative(self) -> str | None:
        """The kind of offsets in use."""
        return self.options.relative if self.window else None

    def build(self, input_shape) -> None:
        depth = head_ops.depth_of(input_shape[-1], self.options.heads)
        if self.relative:
            self.row_offsets, self.column_offsets = (
                head_ops.add_offsets(self, name, self.window, depth)
                for name in ("row_offsets", "column_offsets")
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
        head_ops.check_mask(mask, ranks=(3,))
        keys = mask
        if mask is None and not self._fills(sizes_of(qkv)[1:3]):
            keys = tf.ones(tf.shape(qkv)[:3], tf.bool)
        parts = {"qkv": qkv} | ({} if keys is None else {"keys": keys})
        if training or self.window is None:
            y = self._windows(parts, training)
            return self.silence(tf.cast(y, qkv.dtype), mask)
        # Group after group of rows of windows: few of their maps are alive.
        y = chunks.scan_chunks(
            lambda _, __, parts: ((), self._windows(parts, training)),
            parts,
            (),
            _BANDS,
            axial_lines.rows_at_once(
                qkv, "width", self._line_channels(qkv), self.window
            ),
            _BANDS,
        )[1]
        return self.silence(tf.cast(y, qkv.dtype), mask)

    def _line_channels(self, qkv: tf.Tensor) -> int:
        """Of queries, keys and values, those of offsets included."""
        if not self.relative:
            return qkv.shape[-1]
        # In queries and in keys, a term for each row and each column.
        return qkv.shape[-1] + 4 * self.window * self.options.heads

    def _windows(self, parts: Terms, training: bool) -> tf.Tensor:
        """[B, H, W, C], float32, of "qkv" and, if not all take part, "keys"."""
        qkv, keys = parts["qkv"], parts.get("keys")
        sides = self._sides(qkv)
        if keys is not None:
            keys = cut_windows(keys[..., tf.newaxis], sides)[..., 0]
        maps = head_ops.split(qkv, self.options.heads)
        query, key, value = (cut_windows(x, sides) for x in maps)
        lines = axial_lines.lines_of_maps(
            (query, key, value), "width", self.options.heads
        )
        if self.relative:
            lines = self._with_offsets(lines)
        y = head_ops.attend(lines, {}, keys, "width", self.options, training)
        y = axial_lines.from_lines(y, query, "width", self.options.heads)
        return join_windows(y, sizes_of(qkv)[1:3], sides)

    def silence(self, x: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """[B, H, W, C], zero in windows all of whose keys are masked."""
        if mask is None:
            return x
        sides = self._sides(x)
        keys = cut_windows(mask[..., tf.newaxis], sides)
        some = tf.reduce_any(keys, 2, keepdims=True)
        some = tf.broadcast_to(some, tf.shape(keys))
        some = join_windows(some, sizes_of(x)[1:3], sides)
        return tf.where(some, x, tf.zeros([], x.dtype))

    def _sides(self, x: tf.Tensor) -> tuple[Size, Size]:
        """Of a window on [B, H, W, C]."""
        return self.window or size_of(x, 1), self.window or size_of(x, 2)

    def _fills(self, size: list[Size]) -> bool:
        """Whether no window reaches beyond a map, as far as is known."""
        return self.window is None or all(
            isinstance(n, int) and n % self.window == 0 for n in size
        )

    def _with_offsets(self, lines: Lines) -> Lines:
        """Queries and keys with columns whose products are offset terms.

        The term of a pair is a number by the row of the key, plus one by its
        column: the products of a query with all rows of a table are its new
        features, and a key picks its own by being 1 there (as decomposed in
        arXiv:2112.01526).
        """
        side = self.window
        place = tf.range(side)
        rows = place - place[:, tf.newaxis] + side - 1  # [query, key]
        features = [
            self._offset_terms(lines.query, table, rows, axis)
            for axis, table in enumerate(
                (self.row_offsets, self.column_offsets)
            )
        ]
        by_row = tf.repeat(tf.eye(side), side, axis=0)
        by_column = tf.tile(tf.eye(side), [side, 1])
        picks = tf.concat([by_row, by_column], -1)[tf.newaxis]
        picks = tf.tile(picks, [size_of(lines.key, 0), 1, 1])
        return lines._replace(
            query=tf.concat([lines.query, *features], -1),
            key=tf.concat([lines.key, picks], -1),
        )

    def _offset_terms(
        self, query: tf.Tensor, table: tf.Variable, rows: tf.Tensor, axis: int
    ) -> tf.Tensor:
        """[n, side^2, d] -> [n, side^2, side]: by the key's row or column."""
        side, count = self.window, size_of(query, 0)
        by_pair = gather_rows(table, rows)  # [query, key, d or heads]
        if self.relative == "vector":
            query = tf.reshape(query, [count, side, side, query.shape[-1]])
            indices = ("nhwd,hkd->nhwk", "nhwd,wkd->nhwk")[axis]
            terms = tf.einsum(indices, query, by_pair)
        else:
            terms = tf.transpose(by_pair, [2, 0, 1])
            terms = tf.expand_dims(terms, 2 - axis)
            heads = self.options.heads
            shape = [heads, side, side, side]
            terms = tf.broadcast_to(terms, shape)
            terms = tf.tile(terms, [count // heads, 1, 1, 1])
        return tf.reshape(terms, [count, side * side, side])


def cut_windows(x: tf.Tensor, sides: tuple[Size, Size]) -> tf.Tensor:
    """[B, H, W, C] -> [B * windows, 1, places, C], filled up with zeros."""
    height, width = sides
    for axis, side in ((1, height), (2, width)):
        behind = -size_of(x, axis) % side
        x = chunks.pad_axis(x, axis, 0, behind)
    batch, rows, columns, channels = sizes_of(x)
    shape = [batch, rows // height, height, columns // width, width, channels]
    x = tf.transpose(tf.reshape(x, shape), [0, 1, 3, 2, 4, 5])
    return tf.reshape(x, [-1, 1, height * width, channels])


def join_windows(
    x: tf.Tensor, size: tuple[Size, Size], sides: tuple[Size, Size]
) -> tf.Tensor:
    """The inverse of `cut_windows` for maps of (H, W)."""
    counts = [-(-n // side) for n, side in zip(size, sides, strict=True)]
    channels = x.shape[-1]
    x = tf.reshape(x, [-1, *counts, *sides, channels])
    x = tf.transpose(x, [0, 1, 3, 2, 4, 5])
    whole = [n * side for n, side in zip(counts, sides, strict=True)]
    x = tf.reshape(x, [-1, *whole, channels])
    return x[:, : size[0], : size[1]]
