"""Scaled dot-product attention of many heads: options, tables and masks.

What layers with windows and with whole rows share. Nothing of size L x L is
kept: see attention_ops.py.
"""

import dataclasses

import tensorflow as tf
import tf_keras

from axial_deeplab.layers import attention_ops, axial_lines
from axial_deeplab.layers.attention_options import DEFAULT_LOGITS_BYTES
from axial_deeplab.layers.chunks import size_of, sizes_of
from axial_deeplab.layers.configurable import Options, register
from axial_deeplab.layers.line_attention import MASKED, Lines, Terms

RELATIVES = (None, "vector", "scalar")


@register
@dataclasses.dataclass(frozen=True)
class HeadOptions(Options):
    """What all heads of a layer have in common.

    Attributes:
      heads: how many; they share the channels evenly.
      relative: "vector" adds query . r[key - query] to a logit, with one
        table for all heads; "scalar" adds a number for each head and offset;
        None adds nothing.
      max_distance: offsets up to max_distance - 1 have rows of their own in
        the tables along an axis; longer ones share the end rows.
      logits_bytes: what logits and weights may occupy at once.
    """

    heads: int = 8
    relative: str | None = "vector"
    max_distance: int = 128
    logits_bytes: int = DEFAULT_LOGITS_BYTES

    def __post_init__(self):
        for name in ("heads", "max_distance", "logits_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` must be positive; got {getattr(self, name)}."
                )
        if self.relative not in RELATIVES:
            raise ValueError(
                f'`relative` must be "vector", "scalar" or None; got '
                f"{self.relative!r}."
            )


def depth_of(channels: int, heads: int) -> int:
    """Of one head in queries, keys and values of `channels` together.

    Raises:
      ValueError: there are no 3 x heads equal parts.
    """
    if channels % (3 * heads):
        raise ValueError(
            "`heads` must divide the channels of queries, keys and values;"
            f" got {heads=}, {channels / 3:g} channels each."
        )
    return channels // 3 // heads


def add_offsets(
    layer: tf_keras.layers.Layer, name: str, reach: int, depth: int
) -> tf.Variable:
    """The table [2 reach - 1, depth] or, of scalars, a column for each head."""
    columns = {"vector": depth, "scalar": layer.options.heads}
    return layer.add_weight(
        name,
        (2 * reach - 1, columns[layer.options.relative]),
        initializer=tf_keras.initializers.TruncatedNormal(stddev=0.02),
        experimental_autocast=False,  # logits stay float32
    )


def split(qkv: tf.Tensor, heads: int) -> list[tf.Tensor]:
    """[B, H, W, C] three times, float32; queries over sqrt(depth)."""
    depth = depth_of(qkv.shape[-1], heads)
    query, key, value = tf.split(tf.cast(qkv, tf.float32), 3, axis=-1)
    return [query * depth**-0.5, key, value]


def attend(
    lines: Lines,
    windows: Terms,
    mask: tf.Tensor | None,
    axis: str,
    options: HeadOptions,
    training: bool,
) -> tf.Tensor:
    """Contents [n, L, C / heads] of lines, with the mask of their map.

    The mask is bool: [B, H, W], or by query [B, H, W, L].
    """
    if mask is not None:
        masks = _masks_of_lines(mask, axis, options.heads)
        lines = lines._replace(masks=masks)
        if "key" in masks:
            rows = size_of(lines.query, 1) + size_of(lines.key, 1) - 1
            windows = windows | {"key": tf.ones([rows, 1])}
    retrieved = attention_ops.attend(
        lines, windows, options.logits_bytes, training
    )
    return retrieved["content"]


def _masks_of_lines(mask: tf.Tensor, axis: str, heads: int) -> Terms:
    """Masks of `Lines` from that of a map, [B, H, W] or [B, H, W, L]."""
    if len(mask.shape) == 3:
        blocked = tf.where(mask, 0.0, MASKED)[..., tf.newaxis]
        blocked = tf.repeat(blocked, heads, axis=-1)
        return {"key": axial_lines.by_place(blocked, axis, heads)}
    if axis == "height":
        mask = tf.transpose(mask, [0, 2, 1, 3])
    mask = tf.reshape(mask, [-1, *sizes_of(mask)[2:]])
    return {"pair": tf.repeat(mask, heads, axis=0)}


def check_mask(mask: tf.Tensor | None, ranks: tuple[int, ...]) -> None:
    """Raises a `ValueError` that says what a mask must be."""
    if mask is None:
        return
    if mask.dtype != tf.bool or mask.shape.rank not in ranks:
        forms = {3: "[B, H, W]", 4: "[B, H, W, L]"}
        expected = " or ".join(forms[rank] for rank in ranks)
        raise ValueError(
            f"`mask` must be bool {expected}; got {mask.dtype.name} "
            f"{mask.shape}."
        )
