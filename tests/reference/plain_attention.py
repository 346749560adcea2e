"""Axial attention in the plain form: the public layer's order of operations.

The three logit maps are stacked, normalised as a stack and summed; both
retrievals are stacked and normalised. It stores what `AxialAttention` does
not, and is its definition (tests) and its rival (tools/benchmark_layers.py).
"""

import tensorflow as tf

from axial_deeplab.layers.axial_attention import AxialAttention


class PlainAxialAttention(AxialAttention):
    """The weights of `AxialAttention`, all three position terms, plain ops."""

    def call(self, x, training=False):
        """[B, H, W, C] -> [B, H, W, filters]."""
        if self.axis == "height":
            x = tf.transpose(x, [0, 2, 1, 3])
        shape = tf.shape(x)
        length = x.shape[2] or shape[2]
        rows = tf.reshape(x, [shape[0] * shape[1], length, x.shape[3]])
        rows = self._attend(rows, length, training)
        y = tf.reshape(rows, [*tf.unstack(shape[:3]), self.filters])
        return tf.transpose(y, [0, 2, 1, 3]) if self.axis == "height" else y

    def _attend(self, rows, length, training):
        """[b, L, C] -> [b, L, filters]."""
        query, key, value = self._project_plainly(rows, training)
        tables = [
            _by_pair(table, length)
            for table in (
                self.query_position,
                self.key_position,
                self.value_position,
            )
        ]
        logits = tf.stack(
            [
                tf.einsum("blnd,bmnd->bnlm", query, key),
                tf.einsum("blnd,lmd->bnlm", query, tables[0]),
                tf.einsum("bmnd,lmd->bnlm", key, tables[1]),
            ]
        )
        mask = _pairs(length, self.span)
        logits = norm_stack(self.similarity_norm, logits, mask, training)
        logits = tf.reduce_sum(logits, 0)
        if mask is not None:
            logits += (1.0 - mask) * -1e9
        weights = tf.nn.softmax(logits)
        retrieved = tf.stack(
            [
                tf.einsum("bnlm,bmnd->bnld", weights, value),
                tf.einsum("bnlm,lmd->bnld", weights, tables[2]),
            ]
        )
        retrieved = norm_stack(self.output_norm, retrieved, None, training)
        merged = tf.transpose(tf.reduce_sum(retrieved, 0), [0, 2, 1, 3])
        return tf.reshape(merged, [-1, length, self.filters])

    def _project_plainly(self, rows, training):
        qkv = tf.cast(tf.tensordot(rows, self.qkv_kernel, 1), tf.float32)
        qkv = self.qkv_norm(qkv[:, :, tf.newaxis], training=training)
        sizes = [self.key_filters, self.key_filters, self.filters]
        shape = tf.shape(rows)
        return [
            tf.reshape(part, [shape[0], shape[1], self.heads, size])
            for part, size in zip(
                tf.split(qkv[:, :, 0], sizes, axis=-1),
                (size // self.heads for size in sizes),
                strict=True,
            )
        ]


def _by_pair(table, length):
    """[2 * max_distance - 1, d] -> [L, L, d] by key - query, clipped."""
    middle = (table.shape[0] - 1) // 2
    position = tf.range(length)
    offset = position[tf.newaxis] - position[:, tf.newaxis]
    return tf.gather(table, tf.clip_by_value(offset + middle, 0, 2 * middle))


def _pairs(length, span):
    """[L, L] float32, 1 where the key may be attended; None: everywhere."""
    if span is None:
        return None
    position = tf.range(length)
    offset = position[tf.newaxis] - position[:, tf.newaxis]
    return tf.cast(tf.abs(offset) <= (span - 1) // 2, tf.float32)


def norm_stack(norm, x, mask, training):
    """Batch norm of [terms, b, n, L, L or d], as wide as its weights."""
    shape = norm.moving_mean.shape
    shape = [shape[0], 1, x.shape[2], 1, -1]
    mean, variance = (
        tf.reshape(part, shape)
        for part in (norm.moving_mean, norm.moving_variance)
    )
    if training:
        per_logit_map = norm.gamma.shape[1] == x.shape[2]
        axes = [1, 3, 4] if per_logit_map else [1, 3]
        mean, variance = _moments(x, mask, axes)
        norm._update(
            *(tf.reshape(part, norm.gamma.shape) for part in (mean, variance))
        )
    return tf.nn.batch_normalization(
        x,
        mean,
        variance,
        tf.reshape(norm.beta, shape),
        tf.reshape(norm.gamma, shape),
        norm.options.epsilon,
    )


def _moments(x, mask, axes):
    if mask is None:
        return tf.nn.moments(x, axes, keepdims=True)
    count = tf.cast(tf.shape(x)[1], tf.float32) * tf.reduce_sum(mask)
    mean = tf.reduce_sum(x * mask, axes, keepdims=True) / count
    squares = tf.square((x - mean) * mask)
    return mean, tf.reduce_sum(squares, axes, keepdims=True) / count
