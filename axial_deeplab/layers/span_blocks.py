"""Local spans: lines cut into blocks of queries with the keys they may see.

A span reaches (span - 1) / 2 keys to both sides (arXiv:2003.07853, section
3.2). A long line becomes blocks of queries, each with its own stretch of keys:
memory and time grow with length x span. Two kinds of pairs must not attend:
those too far apart, which depend on the offset only and get a mask column in
the window of the query term; and keys outside the map, which have a mask of
their own. As columns of a product, the masks cost no pass over the logits.
"""

from typing import NamedTuple

import tensorflow as tf

from axial_deeplab.layers import chunks
from axial_deeplab.layers.chunks import Size, size_of
from axial_deeplab.layers.line_attention import MASKED, Lines, Terms, swap

_SMALLEST_BLOCK = 16


class Layout(NamedTuple):
    """How a line of `length` is cut; `reach` None: all keys are attended.

    `queries` and `keys` are those of a block; `framed` says whether a line
    has several blocks. Only every `step`-th place of a line is a query.
    """

    length: Size
    queries: Size
    keys: Size
    reach: int | None
    framed: bool
    step: int

    @property
    def all_queries(self) -> Size:
        """Those of a line."""
        return -(-self.length // self.step)

    @property
    def pitch(self) -> Size:
        """From the first query of a block to that of the next."""
        return self.queries * self.step

    def offsets(self) -> tf.Tensor:
        """[step (queries - 1) + keys] key - query, as in a window."""
        first = self.reach if self.framed else 0
        last = self.step * (self.queries - 1)
        return tf.range(last + self.keys) - (last + first)


def plan_layout(length: Size, span: int | None, step: int = 1) -> Layout:
    """Blocks for a span; one block where they would not be shorter."""
    reach = None if span is None else (span - 1) // 2
    known = isinstance(length, int)
    whole = (length, -(-length // step), length)
    if reach is None or (known and reach >= length - 1):
        return Layout(*whole, None, False, step)
    queries = -(-max(reach, _SMALLEST_BLOCK) // step)
    keys = queries * step + 2 * reach
    if known and keys >= length:
        return Layout(*whole, reach, False, step)
    return Layout(length, queries, keys, reach, True, step)


def cut_lines(lines: Lines, layout: Layout) -> Lines:
    """Lines [n, L, .], none with places, to blocks [n * blocks, q or k, .]."""
    if not layout.framed:
        return lines
    count, blocks = size_of(lines.query, 0), _blocks(layout)
    mask = tf.tile(_outside_mask(layout), [count, 1, 1])
    return Lines(
        frame_queries(lines.query, layout),
        frame_keys(lines.key, layout),
        frame_keys(lines.value, layout),
        {name: tf.repeat(x, blocks, 0) for name, x in lines.factors.items()},
        {},
        {"key": swap(mask)},
    )


def mask_windows(windows: Terms, layout: Layout) -> Terms:
    """Windows with the columns that go with those of `cut_lines`."""
    windows = dict(windows)
    if layout.reach is not None:
        offsets = layout.offsets()
        beyond = tf.cast(tf.abs(offsets) > layout.reach, tf.float32)
        column = MASKED * beyond[:, tf.newaxis]
        windows["query"] = _append(windows.get("query"), column)
        if layout.framed:
            ones = tf.ones_like(column)
            windows["key"] = _append(windows.get("key"), ones)
    return windows


def join_blocks(retrieved: Terms, layout: Layout) -> Terms:
    """What `attend` returns by block, of whole lines: [n, Q, d], [Q, n, d]."""
    if not layout.framed:
        return retrieved
    joined = {"content": _join(retrieved["content"], layout)}
    if "position" in retrieved:
        by_line = _join(swap(retrieved["position"]), layout)
        joined["position"] = swap(by_line)
    return joined


def _join(x: tf.Tensor, layout: Layout) -> tf.Tensor:
    """[n * blocks, queries, d] -> [n, all queries, d]."""
    joined = _blocks(layout) * layout.queries
    x = tf.reshape(x, [-1, joined, x.shape[-1]])
    return x[:, : layout.all_queries]


def frame_queries(x: tf.Tensor, layout: Layout) -> tf.Tensor:
    """[n, all queries, d] -> [n * blocks, queries, d], zeros behind the end."""
    behind = _blocks(layout) * layout.queries - layout.all_queries
    x = chunks.pad_axis(x, 1, 0, behind)
    return tf.reshape(x, [-1, layout.queries, x.shape[-1]])


def frame_keys(x: tf.Tensor, layout: Layout) -> tf.Tensor:
    """[n, L, d] -> [n * blocks, keys, d], zeros outside the map."""
    size, reach = layout.pitch, layout.reach
    behind = (_blocks(layout) + 1) * size - layout.length
    x = chunks.pad_axis(x, 1, size, behind)
    x = tf.reshape(x, [size_of(x, 0), -1, size, x.shape[-1]])
    parts = [x[:, :-2, size - reach :], x[:, 1:-1], x[:, 2:, :reach]]
    return tf.reshape(tf.concat(parts, 2), [-1, layout.keys, x.shape[-1]])


def _blocks(layout: Layout) -> Size:
    return -(-layout.length // layout.pitch)


def _outside_mask(layout: Layout) -> tf.Tensor:
    """[blocks, keys, 1]: 0 for keys inside the map, else the mask."""
    inside = frame_keys(tf.ones([1, layout.length, 1]), layout)
    return MASKED * (1.0 - inside)


def _append(x: tf.Tensor | None, column: tf.Tensor) -> tf.Tensor:
    return column if x is None else tf.concat([x, column], axis=-1)
