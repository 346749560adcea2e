"""Position-sensitive axial attention (arXiv:2003.07853, section 3)."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers import (
    attention_maps,
    attention_ops,
    attention_parts,
    axial_lines,
    chunks,
    span_blocks,
)
from axial_deeplab.layers.attention_options import (
    AttentionOptions,
    check_arguments,
    check_stride,
)
from axial_deeplab.layers.chunks import size_of
from axial_deeplab.layers.configurable import (
    Configurable,
    register,
    without_autograph,
)
from axial_deeplab.layers.folded_weights import (
    Affine,
    FoldedWeights,
    fold_weights,
    folded_weights_of,
)
from axial_deeplab.layers.line_attention import Lines, Terms
from axial_deeplab.layers.logit_statistics import fork, logit_moments
from axial_deeplab.layers.normalization import Moments, NormOptions
from axial_deeplab.layers.relative_position import offset_window
from axial_deeplab.layers.span_blocks import Layout


@register
class AxialAttention(Configurable, tf_keras.layers.Layer):
    """Attends along one axis of a map, position-sensitive (Eq. 4).

    Input [B, H, W, C], output [B, H, W, filters], any H and W. There is no
    1/sqrt(d), no output projection and no residual: batch norms on the
    projections, on the logits of each term and head, and on both retrieved
    outputs take the place of scaling (section 3.2, "axial-attention").

    Call arguments:
      stride: only every `stride`-th place of the axis is in the output. In
        inference the others are not computed; training needs all of them for
        the statistics of the norms.

    Args:
      filters: total depth of the values and of the output.
      key_filters: total depth of the queries and of the keys.
      axis: "height" or "width".
      heads: number of heads; divides `filters` and `key_filters`.
      span: keys within (span - 1) / 2 of the query are attended, those inside
        the map; odd. None attends to the whole row or column.
      max_distance: offsets -(max_distance - 1)..max_distance - 1 have rows of
        their own in the position tables; longer ones share the end rows.
      options: position embeddings in use, memory for logits.
      norm: constants of the three batch norms.

    Raises:
      ValueError: if an argument does not fit.
    """

    attention_weights = attention_maps.attention_weights

    def __init__(
        self,
        filters: int,
        key_filters: int,
        axis: str,
        heads: int = 8,
        span: int | None = None,
        max_distance: int = 255,
        options: AttentionOptions | None = None,
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_arguments(filters, key_filters, axis, heads, span, max_distance)
        self.filters, self.key_filters, self.axis = filters, key_filters, axis
        self.heads, self.span, self.max_distance = heads, span, max_distance
        self.options = options or AttentionOptions()
        self.norm = norm or NormOptions()
        self._sizes = [key_filters, key_filters, filters]
        self._key_depth = key_filters // heads
        self._value_depth = filters // heads
        used = {
            "content": True,
            "query": self.options.query,
            "key": self.options.key,
        }
        self._logit_terms = tuple(name for name, on in used.items() if on)
        self.qkv_norm = attention_parts.projection_norm(
            sum(self._sizes), self.norm
        )
        self.similarity_norm = attention_parts.logit_norm(
            len(self._logit_terms), self.heads, self.norm
        )
        self.output_norm = attention_parts.output_norm(
            2 if self.options.value else 1, self.filters, self.norm
        )

    def build(self, input_shape) -> None:
        self.qkv_kernel = attention_parts.add_projection(
            self, input_shape[-1], sum(self._sizes)
        )
        depths = {
            "query": self._key_depth,
            "key": self._key_depth,
            "value": self._value_depth,
        }
        rows = 2 * self.max_distance - 1
        self._tables = {
            name: attention_parts.add_table(self, name, (rows, depth))
            for name, depth in depths.items()
            if getattr(self.options, name)
        }
        attention_parts.build_norms(
            self.qkv_norm, self.similarity_norm, self.output_norm
        )
        self.built = True

    @without_autograph
    def call(
        self, x: tf.Tensor, training: bool = False, stride: int = 1
    ) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, filters], the axis / stride, rounded up."""
        check_stride(stride)
        attention_maps.note_input(self, x)
        length = size_of(x, {"height": 1, "width": 2}[self.axis])
        if training:
            y = self._train(x, span_blocks.plan_layout(length, self.span))
            y = axial_lines.every(y, self.axis, stride)
        else:
            layout = span_blocks.plan_layout(length, self.span, stride)
            y = self._infer(x, layout)
        return tf.cast(y, x.dtype)

    def fold(self) -> FoldedWeights:
        """The weights of inference, float32."""
        by_term = tf.unstack(self.similarity_norm(None)[0])
        return fold_weights(
            tf.convert_to_tensor(self.qkv_kernel),
            Affine(*self.qkv_norm.affine()),
            dict(zip(self._logit_terms, by_term, strict=True)),
            Affine(*self.output_norm(None)),
        )

    def _infer(self, x: tf.Tensor, layout: Layout) -> tf.Tensor:
        """Group after group of rows (or columns), so that few are alive."""
        weights = folded_weights_of(self)
        group = axial_lines.rows_at_once(x, self.axis, sum(self._sizes))
        across = axial_lines.ACROSS[self.axis]
        return chunks.scan_chunks(
            lambda _, __, x: ((), self._infer_rows(x, layout, weights)),
            x,
            (),
            across,
            group,
            across,
        )[1]

    def _infer_rows(
        self, x: tf.Tensor, layout: Layout, weights: FoldedWeights
    ) -> tf.Tensor:
        qkv = axial_lines.project(
            x, weights.kernel, weights.bias, weights.factors.get("kernel")
        )
        query, key, value = tf.split(qkv, self._sizes, axis=-1)
        query = axial_lines.every(query, self.axis, layout.step)
        factors = {name: weights.factors[name] for name in self._logit_terms}
        lines = axial_lines.lines_of_maps(
            (query, key, value), self.axis, self.heads
        )
        lines = axial_lines.with_factors(lines, factors)
        total, *position = self._retrieve(lines, layout, query, training=False)
        for part in position:
            total += part * weights.factors["value"]
        return total

    def _train(self, x: tf.Tensor, layout: Layout) -> tf.Tensor:
        qkv = attention_parts.project(
            x, self.qkv_kernel, self.qkv_norm, training=True
        )
        query, key, value = tf.split(qkv, self._sizes, axis=-1)
        lines = axial_lines.lines_of_maps(
            (query, key, value), self.axis, self.heads
        )
        lines = self._normalise_logits(lines, layout)
        maps = self._retrieve(lines, layout, x, training=True)
        return attention_parts.merge(maps, self.output_norm, training=True)

    def _windows(self, offsets: tf.Tensor) -> Terms:
        return {
            name: offset_window(table, offsets)
            for name, table in self._tables.items()
        }

    def _normalise_logits(self, lines: Lines, layout: Layout) -> Lines:
        """The lines with the factors of the batch norms of their logits."""
        moments = None
        if self.similarity_norm.trainable:
            (query, query_too), (key, key_too) = (fork(x) for x in lines[:2])
            lines = lines._replace(query=query, key=key)
            moments = self._logit_moments(query_too, key_too, layout)
        factors = attention_parts.logit_factors(
            self.similarity_norm, moments, training=True
        )
        by_term = zip(self._logit_terms, tf.unstack(factors), strict=True)
        return axial_lines.with_factors(lines, dict(by_term))

    def _logit_moments(
        self, query: tf.Tensor, key: tf.Tensor, layout: Layout
    ) -> Moments:
        offsets = tf.range(2 * layout.length - 1) - (layout.length - 1)
        return logit_moments(
            query,
            key,
            self._windows(offsets),
            layout,
            self.heads,
            self.options.logits_bytes,
        )

    def _retrieve(
        self, lines: Lines, layout: Layout, like: tf.Tensor, training: bool
    ) -> list[tf.Tensor]:
        """Retrieved contents and, if in use, positions [B, H, W, filters].

        B, H and W are those of `like`.
        """
        windows = self._windows(layout.offsets())
        retrieved = attention_ops.attend(
            span_blocks.cut_lines(lines, layout),
            span_blocks.mask_windows(windows, layout),
            self.options.logits_bytes,
            training,
            self.options.min_chunks,
            layout.step,
        )
        back = {
            "content": axial_lines.from_lines,
            "position": axial_lines.from_places,
        }
        return [
            back[name](part, like, self.axis, self.heads)
            for name, part in span_blocks.join_blocks(retrieved, layout).items()
        ]


@register
class AxialAttention2D(Configurable, tf_keras.layers.Layer):
    """Height attention, then width attention, each followed by its stride.

    Input [B, H, W, C], output [B, ceil(H/stride), ceil(W/stride), filters]
    (section 3.3; the rows are dropped before the width axis is attended).

    Args:
      height: an `AxialAttention` along "height".
      width: an `AxialAttention` along "width".
      stride: 1 or more.
      pooled: attend along both axes at the resolution of the input, then
        average stride x stride places, as the authors' PyTorch code does; at
        the end of an odd side, over what is there.
    """

    def __init__(
        self,
        height: AxialAttention,
        width: AxialAttention,
        stride: int = 1,
        pooled: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_stride(stride)
        self.height, self.width = height, width
        self.stride, self.pooled = stride, pooled

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters]."""
        if self.pooled and self.stride > 1:
            x = self.height(x, training=training)
            x = self.width(x, training=training)
            return tf.nn.avg_pool2d(x, self.stride, self.stride, "SAME")
        x = self.height(x, training=training, stride=self.stride)
        return self.width(x, training=training, stride=self.stride)
