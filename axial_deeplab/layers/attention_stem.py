"""The stem of full-attention models (arXiv:1906.05909, section 3.3)."""

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.attention_options import (
    DEFAULT_LOGITS_BYTES,
    check_heads,
)
from axial_deeplab.layers.chunks import FLOAT_BYTES, size_of, sizes_of
from axial_deeplab.layers.configurable import (
    Configurable,
    register,
    without_autograph,
)
from axial_deeplab.layers.line_attention import MASKED
from axial_deeplab.layers.local_blocks import (
    BLOCK,
    Grid,
    Inside,
    map_blocks,
    plan_grid,
)
from axial_deeplab.layers.normalization import BatchNorm, NormOptions

_PIXELS = BLOCK**2
# Maps of a block's logits, keys and values that its gradient holds.
_MAPS = 6


@register
class AttentionStem(Configurable, tf_keras.layers.Layer):
    """Attention within blocks of 4x4 pixels, norm, ReLU, 4x4 max pool.

    Input [B, H, W, C], output [B, ceil(H/4), ceil(W/4), filters]. The
    colour of a pixel says little, so that values depend on the place in the
    block: their kernel is a mixture of several, whose weights are the softmax
    of (row embedding + column embedding) . mixture embedding, the same for all
    heads. Pixels outside of the image take no part.

    The article leaves open how many mixtures there are and whether a ReLU
    comes before the pool; four, and yes.

    Args:
      filters: output channels, over all heads.
      heads: number of heads; divides `filters`.
      mixtures: number of kernels of the values.
      logits_bytes: bound of the memory for logits.
      norm: constants of the batch norm.

    Raises:
      ValueError: if an argument does not fit.
    """

    def __init__(
        self,
        filters: int = 64,
        heads: int = 4,
        mixtures: int = 4,
        logits_bytes: int = DEFAULT_LOGITS_BYTES,
        norm: NormOptions | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_heads(filters, filters, heads)
        self.filters, self.heads, self.mixtures = filters, heads, mixtures
        self.logits_bytes = logits_bytes
        self.norm = norm or NormOptions()
        self.batch_norm = BatchNorm(self.norm, name="batch_norm")
        self.pool = tf_keras.layers.MaxPool2D(BLOCK, name="pool")

    def build(self, input_shape) -> None:
        channels, depth = input_shape[-1], self.filters // self.heads

        def add(name: str, shape: tuple[int, ...], stddev: float):
            return self.add_weight(
                name,
                shape,
                initializer=tf_keras.initializers.TruncatedNormal(
                    stddev=stddev
                ),
                experimental_autocast=False,  # logits stay float32
            )

        kernel, scale = (channels, self.filters), channels**-0.5
        self.query_kernel = add("query_kernel", kernel, scale)
        self.key_kernel = add("key_kernel", kernel, scale)
        self.value_kernel = add("value_kernel", (self.mixtures, *kernel), scale)
        self.row_position = add("row_position", (BLOCK, depth), 1.0)
        self.column_position = add("column_position", (BLOCK, depth), 1.0)
        self.mixture_position = add(
            "mixture_position", (self.mixtures, depth), 1.0
        )
        self.built = True

    @without_autograph
    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H', W', filters]."""
        pixels = tf.cast(x, tf.float32)
        kernels = (
            tf.convert_to_tensor(self.query_kernel),
            tf.convert_to_tensor(self.key_kernel),
            self._value_kernels(),
        )
        y = map_blocks(
            self._attend, pixels, pixels, kernels, self._plan(pixels)
        )
        y = self.batch_norm(tf.cast(y, x.dtype), training=training)
        # Zeros pad like minus infinity here: nothing after a ReLU is lower.
        behind = [[0, -size_of(x, axis) % BLOCK] for axis in (1, 2)]
        return self.pool(tf.pad(tf.nn.relu(y), [[0, 0], *behind, [0, 0]]))

    def _plan(self, pixels: tf.Tensor) -> Grid:
        by_pixel = 2 * self.filters + self.heads * _PIXELS
        block_bytes = FLOAT_BYTES * _MAPS * _PIXELS * by_pixel
        period = -(-size_of(pixels, 1) // BLOCK) * BLOCK
        limit = self.logits_bytes // 4  # as in `LocalAttention2D`
        return plan_grid(pixels, (0, 0), period, block_bytes, limit)

    def _value_kernels(self) -> tf.Tensor:
        """[pixels, C, filters], by place in the block."""
        place = self.row_position[:, tf.newaxis] + self.column_position
        place = tf.reshape(place, [_PIXELS, -1])
        mixture = tf.matmul(place, self.mixture_position, transpose_b=True)
        return tf.tensordot(tf.nn.softmax(mixture), self.value_kernel, 1)

    def _attend(
        self,
        query: tf.Tensor,
        memory: tf.Tensor,
        kernels: tuple[tf.Tensor, tf.Tensor, tf.Tensor],
        inside: Inside,
    ) -> tf.Tensor:
        """A function of blocks, for `map_blocks`."""
        of_query, of_key, of_value = kernels
        query, memory = _by_pixel(query), _by_pixel(memory)
        query = self._by_head(tf.tensordot(query, of_query, 1))
        key = self._by_head(tf.tensordot(memory, of_key, 1))
        value = tf.einsum("scpg,pgf->scpf", memory, of_value)
        logits = tf.matmul(query, key, transpose_b=True) + _mask(inside)
        y = tf.matmul(tf.nn.softmax(logits), self._by_head(value))
        y = tf.transpose(y, [0, 1, 3, 2, 4])
        y = tf.reshape(y, [*sizes_of(y)[:2], BLOCK, BLOCK, self.filters])
        return tf.transpose(y, [0, 2, 1, 3, 4])

    def _by_head(self, x: tf.Tensor) -> tf.Tensor:
        """[s, c, pixels, n * d] -> [s, c, n, pixels, d]."""
        depth = self.filters // self.heads
        x = tf.reshape(x, [*sizes_of(x)[:3], self.heads, depth])
        return tf.transpose(x, [0, 1, 3, 2, 4])


def _by_pixel(x: tf.Tensor) -> tf.Tensor:
    """[s, y, c, x, C] -> [s, c, pixels, C]."""
    x = tf.transpose(x, [0, 2, 1, 3, 4])
    return tf.reshape(x, [*sizes_of(x)[:2], _PIXELS, x.shape[-1]])


def _mask(inside: Inside) -> tf.Tensor:
    """[s, c, 1, 1, pixels], to be added to logits."""
    rows = inside.rows[:, tf.newaxis, :, tf.newaxis]
    allowed = rows & inside.columns[:, tf.newaxis]
    mask = tf.where(allowed, 0.0, MASKED)
    return tf.reshape(mask, [*sizes_of(mask)[:2], 1, 1, _PIXELS])


def attention_stem(
    width: float, norm: NormOptions | None = None
) -> AttentionStem:
    """64 channels at every width, as in `imagenet_stem`."""
    del width
    return AttentionStem(norm=norm, name="stem")
