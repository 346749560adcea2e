"""Position-sensitive axial attention (arXiv:2003.07853, section 3)."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers import (
    attention_maps,
    attention_ops,
    axial_lines,
    span_blocks,
)
from axial_deeplab.layers.attention_options import (
    AttentionOptions,
    check_arguments,
)
from axial_deeplab.layers.chunks import size_of
from axial_deeplab.layers.configurable import (
    Configurable,
    register,
    without_autograph,
)
from axial_deeplab.layers.line_attention import Lines, Terms
from axial_deeplab.layers.logit_statistics import (
    logit_moments,
    moments_of,
)
from axial_deeplab.layers.normalization import (
    BatchNorm,
    MomentNorm,
    NormOptions,
)
from axial_deeplab.layers.relative_position import offset_window
from axial_deeplab.layers.span_blocks import Layout


@register
class AxialAttention(Configurable, tf_keras.layers.Layer):
    """Attends along one axis of a map, position-sensitive (Eq. 4).

    Input [B, H, W, C], output [B, H, W, filters], any H and W. There is no
    1/sqrt(d), no output projection and no residual: batch norms on the
    projections, on the logits of each term and head, and on both retrieved
    outputs take the place of scaling (section 3.2, "axial-attention").

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
        self._key_depth = key_filters // heads
        self._value_depth = filters // heads
        used = {
            "content": True,
            "query": self.options.query,
            "key": self.options.key,
        }
        self._logit_terms = tuple(name for name, on in used.items() if on)
        self._create_norms()

    def _create_norms(self) -> None:
        qkv = 2 * self.key_filters + self.filters
        outputs = 2 if self.options.value else 1
        self.qkv_norm = BatchNorm(
            self.norm, shape=(qkv,), name="qkv_norm", dtype=tf.float32
        )
        self.similarity_norm = MomentNorm(
            (len(self._logit_terms), self.heads),
            self.norm,
            name="similarity_norm",
            dtype=tf.float32,
        )
        self.output_norm = MomentNorm(
            (outputs, self.filters),
            self.norm,
            name="output_norm",
            dtype=tf.float32,
        )

    def build(self, input_shape) -> None:
        channels = input_shape[-1]
        self.qkv_kernel = self.add_weight(
            "qkv_kernel",
            (channels, 2 * self.key_filters + self.filters),
            initializer=tf_keras.initializers.TruncatedNormal(
                stddev=channels**-0.5
            ),
            experimental_autocast=False,  # norms fold into it in float32
        )
        depths = {
            "query": self._key_depth,
            "key": self._key_depth,
            "value": self._value_depth,
        }
        self._tables = {
            name: self._add_table(f"{name}_position", depth)
            for name, depth in depths.items()
            if getattr(self.options, name)
        }
        # Inference reads the norms without calling them.
        for norm in (self.qkv_norm, self.similarity_norm, self.output_norm):
            with tf.name_scope(norm.name):
                norm.build(None)
        self.built = True

    def _add_table(self, name: str, depth: int) -> tf.Variable:
        table = self.add_weight(
            name,
            (2 * self.max_distance - 1, depth),
            initializer=tf_keras.initializers.TruncatedNormal(stddev=1.0),
            experimental_autocast=False,  # logits stay float32
        )
        setattr(self, name, table)
        return table

    @without_autograph
    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, filters]."""
        attention_maps.note_input(self, x)
        axis = {"height": 1, "width": 2}[self.axis]
        layout = span_blocks.plan_layout(size_of(x, axis), self.span)
        lines = self._lines(*self._project(x, training))
        factors = self._logit_factors(lines, layout, training)
        count = size_of(lines.query, 0)
        lines = lines._replace(
            factors={
                name: tf.tile(factor, [count // self.heads, 1, 1])
                for name, factor in factors.items()
            }
        )
        retrieved = attention_ops.attend(
            span_blocks.cut_lines(lines, layout),
            span_blocks.mask_windows(self._windows(layout.offsets()), layout),
            self.options.logits_bytes,
            training,
        )
        retrieved = span_blocks.join_blocks(retrieved, layout)
        return tf.cast(self._merge(retrieved, x, training), x.dtype)

    def _project(self, x: tf.Tensor, training: bool) -> list[tf.Tensor]:
        """Normalised queries, keys and values [B, H, W, .], float32."""
        if training:
            qkv = axial_lines.project(x, self.qkv_kernel, None)
            qkv = self.qkv_norm(qkv, training=True)
        else:
            factor, bias = self.qkv_norm.affine()
            qkv = axial_lines.project(x, self.qkv_kernel * factor, bias)
        sizes = [self.key_filters, self.key_filters, self.filters]
        return tf.split(qkv, sizes, axis=-1)

    def _lines(
        self, query: tf.Tensor, key: tf.Tensor, value: tf.Tensor
    ) -> Lines:
        """Maps by line, and by place for the position terms; no factors."""
        by_line = [
            axial_lines.by_line(x, self.axis, self.heads)
            for x in (query, key, value)
        ]
        places = {
            name: axial_lines.by_place(x, self.axis, self.heads)
            for name, x in (("query", query), ("key", key))
            if name in self._tables
        }
        return Lines(*by_line, places, factors={}, masks={})

    def _windows(self, offsets: tf.Tensor) -> Terms:
        return {
            name: offset_window(table, offsets)
            for name, table in self._tables.items()
        }

    def _logit_factors(
        self, lines: Lines, layout: Layout, training: bool
    ) -> Terms:
        """Factor [n, 1, 1] of the batch norm of each logit term."""
        moments = None
        if training:
            length = layout.length
            moments = logit_moments(
                lines,
                self._windows(tf.range(2 * length - 1) - (length - 1)),
                layout,
                self.heads,
                self.options.logits_bytes,
            )
        factors, offsets = self.similarity_norm(moments, training=training)
        # The softmax ignores the offsets; adding nothing of them keeps their
        # (zero) gradient defined, so that no optimizer warns of a lost weight.
        factors += 0.0 * offsets
        factors = factors[:, :, tf.newaxis, tf.newaxis]
        return dict(zip(self._logit_terms, tf.unstack(factors), strict=True))

    def _merge(
        self, retrieved: Terms, x: tf.Tensor, training: bool
    ) -> tf.Tensor:
        """Sum of the normalised retrievals [B, H, W, filters]."""
        back = {
            "content": axial_lines.from_lines,
            "position": axial_lines.from_places,
        }
        maps = [
            back[name](part, x, self.axis, self.heads)
            for name, part in retrieved.items()
        ]
        moments = moments_of(maps) if training else None
        factors, offsets = self.output_norm(moments, training=training)
        total = tf.reduce_sum(offsets, 0)
        for part, factor in zip(maps, tf.unstack(factors), strict=True):
            total += part * factor
        return total


@register
class AxialAttention2D(Configurable, tf_keras.layers.Layer):
    """Height attention, then width attention, each followed by its stride.

    Input [B, H, W, C], output [B, ceil(H/stride), ceil(W/stride), filters]
    (section 3.3; the rows are dropped before the width axis is attended).

    Args:
      height: an `AxialAttention` along "height".
      width: an `AxialAttention` along "width".
      stride: 1 or more.
    """

    def __init__(
        self,
        height: AxialAttention,
        width: AxialAttention,
        stride: int = 1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.height, self.width, self.stride = height, width, stride

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters]."""
        x = self.height(x, training=training)[:, :: self.stride]
        return self.width(x, training=training)[:, :, :: self.stride]
