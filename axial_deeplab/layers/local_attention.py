"""Attention within two-dimensional windows (arXiv:2003.07853, section 3.2)."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers import attention_parts, local_ops
from axial_deeplab.layers.attention_options import (
    POSITION_SENSITIVE,
    LocalOptions,
    check_local_arguments,
)
from axial_deeplab.layers.chunks import size_of
from axial_deeplab.layers.configurable import (
    Configurable,
    register,
    without_autograph,
)
from axial_deeplab.layers.local_blocks import Grid, plan_grid
from axial_deeplab.layers.local_embeddings import Halves, split_table
from axial_deeplab.layers.local_ops import Terms
from axial_deeplab.layers.local_statistics import logit_moments
from axial_deeplab.layers.normalization import NormOptions


@register
class LocalAttention2D(Configurable, tf_keras.layers.Layer):
    """Attends to the window around each pixel, in one of two forms.

    Input [B, H, W, C], output [B, ceil(H/stride), ceil(W/stride), filters],
    any H and W. Queries, keys and values have `filters` channels. Only pixels
    of the map are keys: a window at the border has fewer (the articles leave
    the border open; code that pads lets zeros take part in the softmax).
    There is no 1/sqrt(d) and no output projection.

    `POSITION_SENSITIVE` is Eq. 3: position terms of queries, keys and values,
    whose embeddings the heads share, and the batch norms of `AxialAttention`.
    `STAND_ALONE` is Eq. 2 (arXiv:1906.05909, Eq. 3): the query's term alone,
    embeddings for each head, and one batch norm, of the output. Embeddings
    are half of row offsets, half of column offsets.

    A stride averages what is retrieved, before the norm of the output
    (arXiv:1906.05909, section 4.1: 2x2 average pooling after attention).

    Args:
      filters: depth of queries, keys, values and output, over all heads.
      heads: number of heads; divides `filters`.
      window: rows and columns of a window, odd.
      stride: 1 or 2.
      options: the form, and the memory for logits.
      norm: constants of the batch norms.

    Raises:
      ValueError: if an argument does not fit.
    """

    def __init__(
        self,
        filters: int,
        heads: int = 8,
        window: int = 7,
        stride: int = 1,
        options: LocalOptions | None = None,
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_local_arguments(filters, heads, window, stride)
        self.filters, self.heads = filters, heads
        self.window, self.stride = window, stride
        self.options = options or POSITION_SENSITIVE
        self.norm = norm or NormOptions()
        self._terms = [
            name
            for name in ("query", "key", "value")
            if getattr(self.options, name)
        ]
        self._create_norms()

    def _create_norms(self) -> None:
        self.qkv_norm = self.similarity_norm = None
        in_logits = [name for name in self._terms if name != "value"]
        outputs = 2 if self.options.value else 1
        if self.options.norms:
            self.qkv_norm = attention_parts.projection_norm(
                3 * self.filters, self.norm
            )
            self.similarity_norm = attention_parts.logit_norm(
                1 + len(in_logits), self.heads, self.norm
            )
        self.output_norm = attention_parts.output_norm(
            outputs, self.filters, self.norm
        )

    def build(self, input_shape) -> None:
        self.qkv_kernel = attention_parts.add_projection(
            self, input_shape[-1], 3 * self.filters
        )
        tables = 1 if self.options.shared_tables else self.heads
        shape = (self.window, tables, self.filters // self.heads)
        self._tables = {
            name: attention_parts.add_table(self, name, shape)
            for name in self._terms
        }
        attention_parts.build_norms(
            self.qkv_norm, self.similarity_norm, self.output_norm
        )
        self.built = True

    @without_autograph
    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters]."""
        qkv = attention_parts.project(
            x, self.qkv_kernel, self.qkv_norm, training
        )
        query, memory = tf.split(qkv, [self.filters, 2 * self.filters], -1)
        grid = self._plan(query, training)
        factor, terms = self._scale(query, memory, grid, training)
        retrieved = local_ops.attend(query, memory, factor, terms, grid)
        if self.stride > 1:
            # At the end of an odd side, over what is there.
            retrieved = [
                tf.nn.avg_pool2d(y, self.stride, self.stride, "SAME")
                for y in retrieved
            ]
        y = attention_parts.merge(retrieved, self.output_norm, training)
        return tf.cast(y, x.dtype)

    @property
    def _reach(self) -> int:
        return (self.window - 1) // 2

    def _plan(self, query: tf.Tensor, training: bool) -> Grid:
        height, width = size_of(query, 1), size_of(query, 2)
        # Patches reach no further than a side that is known.
        reach = tuple(
            min(self._reach, side - 1) if isinstance(side, int) else self._reach
            for side in (height, width)
        )
        block_bytes = local_ops.block_bytes(
            reach, self.heads, self.filters // self.heads, training
        )
        # Caches hold small tiles, so that a quarter is as fast as the whole.
        limit = self.options.logits_bytes // 4
        return plan_grid(query, reach, height + reach[0], block_bytes, limit)

    def _scale(
        self, query: tf.Tensor, memory: tf.Tensor, grid: Grid, training: bool
    ) -> tuple[tf.Tensor, Terms]:
        """Factor of the content term, and tables times those of their terms."""
        terms = {
            name: split_table(table, self.heads)
            for name, table in self._tables.items()
        }
        if self.similarity_norm is None:
            return tf.ones([self.heads]), terms
        moments = None
        if training:
            key = tf.split(memory, 2, -1)[0]
            moments = logit_moments(
                query, key, terms, self.heads, self._reach, grid
            )
        content, *others = tf.unstack(
            attention_parts.logit_factors(
                self.similarity_norm, moments, training
            )
        )
        in_logits = [name for name in terms if name != "value"]
        for name, factor in zip(in_logits, others, strict=True):
            factor = factor[:, tf.newaxis]
            terms[name] = Halves(*(half * factor for half in terms[name]))
        return content, terms
