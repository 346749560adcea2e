"""Attention in windows in the plain form: all pairs of pixels, masked.

It stores logits [B, n, HW, HW] and leaves its gradients to TensorFlow: what
`LocalAttention2D`, whose gradients come tile by tile, is held against.
"""

import tensorflow as tf

from axial_deeplab.layers.local_attention import LocalAttention2D
from tests.reference.plain_attention import norm_stack


class PlainLocalAttention(LocalAttention2D):
    """The weights of `LocalAttention2D`, stride 1, plain ops."""

    def call(self, x, training=False):
        """[B, H, W, C] -> [B, H, W, filters]."""
        images, height, width = tf.unstack(tf.shape(x)[:3])
        qkv = tf.tensordot(x, self.qkv_kernel, 1)
        if self.qkv_norm is not None:
            qkv = self.qkv_norm(qkv, training=training)
        query, key, value = (
            tf.reshape(part, [images, height * width, self.heads, -1])
            for part in tf.split(qkv, 3, -1)
        )
        rows, columns = _offsets(height, width)
        terms = [tf.einsum("blnd,bmnd->bnlm", query, key)]
        if self.options.query:
            pairs = self._by_pair(self.query_position, rows, columns)
            terms.append(tf.einsum("blnd,lmnd->bnlm", query, pairs))
        if self.options.key:
            pairs = self._by_pair(self.key_position, rows, columns)
            terms.append(tf.einsum("bmnd,lmnd->bnlm", key, pairs))
        logits, reach = tf.stack(terms), (self.window - 1) // 2
        near = (tf.abs(rows) <= reach) & (tf.abs(columns) <= reach)
        mask = tf.cast(near, tf.float32)
        if self.similarity_norm is not None:
            logits = norm_stack(self.similarity_norm, logits, mask, training)
        weights = tf.nn.softmax(tf.reduce_sum(logits, 0) + (1.0 - mask) * -1e9)
        retrieved = [tf.einsum("bnlm,bmnd->bnld", weights, value)]
        if self.options.value:
            pairs = self._by_pair(self.value_position, rows, columns)
            retrieved.append(tf.einsum("bnlm,lmnd->bnld", weights, pairs))
        retrieved = norm_stack(
            self.output_norm, tf.stack(retrieved), None, training
        )
        merged = tf.transpose(tf.reduce_sum(retrieved, 0), [0, 2, 1, 3])
        return tf.reshape(merged, [images, height, width, self.filters])

    def _by_pair(self, table, rows, columns):
        """[window, n or 1, d] -> [HW, HW, n, d] by offset, clipped."""
        depth, reach = table.shape[2], (self.window - 1) // 2
        table = tf.repeat(table, self.heads // table.shape[1], axis=1)
        parts = tf.split(table, [depth - depth // 2, depth // 2], -1)
        return tf.concat(
            [
                tf.gather(part, tf.clip_by_value(offset, -reach, reach) + reach)
                for part, offset in zip(parts, (rows, columns), strict=True)
            ],
            -1,
        )


def _offsets(height, width):
    """[HW, HW] twice: row and column of the key minus those of the query."""
    pixel = tf.range(height * width)
    return tuple(
        place[tf.newaxis] - place[:, tf.newaxis]
        for place in (pixel // width, pixel % width)
    )
