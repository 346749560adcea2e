"""Position-sensitive axial attention (arXiv:2003.07853, section 3)."""

import dataclasses

import tensorflow as tf
import tf_keras

from axial_deeplab.layers import attention_ops, relative_position
from axial_deeplab.layers.configurable import Configurable, Options, register
from axial_deeplab.layers.normalization import (
    BatchNorm,
    MomentNorm,
    Moments,
    NormOptions,
)
from axial_deeplab.layers.relative_position import Length


@register
@dataclasses.dataclass(frozen=True)
class PositionTerms(Options):
    """Which relative embeddings take part; all of them in the paper's Eq. 4."""

    query: bool = True
    key: bool = True
    value: bool = True


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
      terms: which position embeddings take part.
      norm: constants of the three batch norms.

    Raises:
      ValueError: if an argument does not fit.
    """

    def __init__(
        self,
        filters: int,
        key_filters: int,
        axis: str,
        heads: int = 8,
        span: int | None = None,
        max_distance: int = 255,
        terms: PositionTerms | None = None,
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_arguments(filters, key_filters, axis, heads, span, max_distance)
        self.filters, self.key_filters, self.axis = filters, key_filters, axis
        self.heads, self.span, self.max_distance = heads, span, max_distance
        self.terms = terms or PositionTerms()
        self.norm = norm or NormOptions()
        self._key_depth = key_filters // heads
        self._value_depth = filters // heads
        used = {
            "content": True,
            "query": self.terms.query,
            "key": self.terms.key,
        }
        self._logit_terms = tuple(name for name, on in used.items() if on)
        self._create_norms()

    def _create_norms(self) -> None:
        qkv = 2 * self.key_filters + self.filters
        outputs = 2 if self.terms.value else 1
        self.qkv_norm = BatchNorm(
            self.norm, shape=(qkv,), name="qkv_norm", dtype=tf.float32
        )
        self.similarity_norm = MomentNorm(
            (len(self._logit_terms), self.heads),
            self.norm,
            name="similarity_norm",
            dtype=tf.float32,
        )
        self.output_norm = BatchNorm(
            self.norm,
            shape=(outputs, self.filters),
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
        )
        depths = {
            "query": self._key_depth,
            "key": self._key_depth,
            "value": self._value_depth,
        }
        self._tables = {
            name: self._add_table(f"{name}_position", depth)
            for name, depth in depths.items()
            if getattr(self.terms, name)
        }
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

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, filters]."""
        if self.axis == "height":
            x = tf.transpose(x, [0, 2, 1, 3])
        shape = tf.shape(x)
        length = x.shape[2] or shape[2]
        rows = tf.reshape(x, [shape[0] * shape[1], length, x.shape[3]])
        rows = self._attend(rows, length, training)
        y = tf.reshape(rows, tf.concat([shape[:3], [self.filters]], axis=0))
        y.set_shape(x.shape[:3] + [self.filters])
        return tf.transpose(y, [0, 2, 1, 3]) if self.axis == "height" else y

    def _attend(
        self, rows: tf.Tensor, length: Length, training: bool
    ) -> tf.Tensor:
        """[b, L, C] -> [b, L, filters]."""
        query, key, value = self._project(rows, training)
        windows = {
            name: relative_position.offset_window(table, length)
            for name, table in self._tables.items()
        }
        value_window = windows.pop("value", None)
        mask = None
        if self.span is not None:
            mask = relative_position.band(length, self.span)
        moments = None
        if training:
            inside = relative_position.pairs_inside(length, self.span)
            moments = attention_ops.logit_moments(
                query, key, windows, inside, mask
            )
        factors = self._logit_factors(moments, training)
        weights = attention_ops.attention_weights(
            query, key, factors, windows, length, mask
        )
        retrieved = [tf.matmul(weights, value)]
        if value_window is not None:
            retrieved.append(
                attention_ops.retrieve_position(weights, value_window, length)
            )
        return tf.cast(self._merge(retrieved, training), rows.dtype)

    def _project(self, rows: tf.Tensor, training: bool) -> list[tf.Tensor]:
        """Normalised queries, keys and values, [b, n, L, d], float32."""
        qkv = tf.cast(tf.matmul(rows, self.qkv_kernel), tf.float32)
        qkv = self.qkv_norm(qkv[:, :, tf.newaxis], training=training)
        parts = tf.split(
            qkv,
            [self.key_filters, self.key_filters, self.filters],
            axis=-1,
        )
        return [self._split_heads(part) for part in parts]

    def _split_heads(self, x: tf.Tensor) -> tf.Tensor:
        """[b, L, 1, filters] -> [b, n, L, filters / n]."""
        shape = tf.shape(x)
        depth = x.shape[-1] // self.heads
        x = tf.reshape(x, [shape[0], shape[1], self.heads, depth])
        return tf.transpose(x, [0, 2, 1, 3])

    def _logit_factors(
        self, moments: Moments | None, training: bool
    ) -> dict[str, tf.Tensor]:
        """Factor [n] of the batch norm of each logit term."""
        factors, offsets = self.similarity_norm(moments, training=training)
        # The softmax ignores the offsets; adding nothing of them keeps their
        # (zero) gradient defined, so that no optimizer warns of a lost weight.
        factors += 0.0 * offsets
        return dict(zip(self._logit_terms, tf.unstack(factors), strict=True))

    def _merge(self, retrieved: list[tf.Tensor], training: bool) -> tf.Tensor:
        """Sum of the normalised retrievals, heads merged: [b, L, filters]."""
        terms = len(retrieved)
        x = tf.stack([tf.transpose(x, [0, 2, 1, 3]) for x in retrieved], axis=2)
        shape = tf.shape(x)  # [b, L, terms, n, d]
        flat = [shape[0], shape[1], 1, terms * self.filters]
        x = self.output_norm(tf.reshape(x, flat), training=training)
        x = tf.reshape(x, [shape[0], shape[1], terms, self.filters])
        return tf.reduce_sum(x, axis=2)


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


def _check_arguments(
    filters: int,
    key_filters: int,
    axis: str,
    heads: int,
    span: int | None,
    max_distance: int,
) -> None:
    if axis not in ("height", "width"):
        raise ValueError(f'`axis` must be "height" or "width"; got {axis!r}.')
    if heads < 1 or filters % heads or key_filters % heads:
        raise ValueError(
            "`heads` must divide `filters` and `key_filters`; got "
            f"{heads=}, {filters=}, {key_filters=}."
        )
    if span is not None and (span < 1 or span % 2 == 0):
        raise ValueError(
            f"`span` must be odd and positive, or None; got {span}."
        )
    if max_distance < 1:
        raise ValueError(
            f"`max_distance` must be positive; got {max_distance}."
        )
