"""Attention of all places to all, in the plain form: it stores all weights.

The rival of tools/benchmark_layers.py --attention.
"""

import tensorflow as tf

from axial_deeplab.layers import axial_lines, head_ops
from axial_deeplab.layers.window_heads import WindowHeads


class PlainFullHeads(WindowHeads):
    """`WindowHeads` of the whole map, without masks."""

    def call(self, qkv, training=False, mask=None):
        """[B, H, W, 3C] -> [B, H, W, C]."""
        heads = self.options.heads
        flat = tf.reshape(qkv, [qkv.shape[0], 1, -1, qkv.shape[3]])
        query, key, value = (
            axial_lines.by_line(x, "width", heads)
            for x in head_ops.split(flat, heads)
        )
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True))
        y = axial_lines.from_lines(
            tf.matmul(weights, value), flat, "width", heads
        )
        return tf.reshape(y, [*qkv.shape[:3], y.shape[3]])
