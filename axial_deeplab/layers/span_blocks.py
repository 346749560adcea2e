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

from axial_deeplab.layers.chunks import Size, size_of
from axial_deeplab.layers.line_attention import Lines, Terms, swap

# Large enough to vanish in a softmax, small enough to add up safely.
MASKED = -1e9
_SMALLEST_BLOCK = 16


class Layout(NamedTuple):
    """How a line of `length` is cut; `reach` None: all keys are attended.

    `queries` and `keys` are those of a block; `framed` says whether a line
    has several blocks.
    """

    length: Size
    queries: Size
    keys: Size
    reach: int | None
    framed: bool

    def offsets(self) -> tf.Tensor:
        """[queries + keys - 1] key - query, in the order of a window."""
        first = self.reach if self.framed else 0
        return tf.range(self.queries + self.keys - 1) - (
            self.queries - 1 + first
        )


def plan_layout(length: Size, span: int | None) -> Layout:
    """Blocks for a span; one block where they would not be shorter."""
    reach = None if span is None else (span - 1) // 2
    known = isinstance(length, int)
    if reach is None or (known and reach >= length - 1):
        return Layout(length, length, length, None, False)
    queries = max(reach, _SMALLEST_BLOCK)
    keys = queries + 2 * reach
    if known and keys >= length:
        return Layout(length, length, length, reach, False)
    return Layout(length, queries, keys, reach, True)


def cut_lines(lines: Lines, layout: Layout) -> Lines:
    """Lines [n, L, .] to blocks [n * blocks, queries or keys, .]."""
    if not layout.framed:
        return lines
    count, blocks = size_of(lines.query, 0), _blocks(layout)
    by_line = {
        "query": frame_queries(lines.query, layout),
        "key": frame_keys(lines.key, layout),
        "mask": tf.tile(_outside_mask(layout), [count, 1, 1]),
    }
    by_place = {name: swap(x) for name, x in by_line.items()}
    return Lines(
        by_line["query"],
        by_line["key"],
        frame_keys(lines.value, layout),
        {name: by_place[name] for name in lines.places},
        {name: tf.repeat(x, blocks, 0) for name, x in lines.factors.items()},
        {"key": by_place["mask"]},
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
    """What `attend` returns, by block, back to [n, L, d] and [L, n, d]."""
    if not layout.framed:
        return retrieved
    joined = {"content": _join(retrieved["content"], layout)}
    if "position" in retrieved:
        by_line = _join(swap(retrieved["position"]), layout)
        joined["position"] = swap(by_line)
    return joined


def _join(x: tf.Tensor, layout: Layout) -> tf.Tensor:
    """[n * blocks, queries, d] back to [n, L, d]."""
    joined = _blocks(layout) * layout.queries
    x = tf.reshape(x, [-1, joined, x.shape[-1]])
    return x[:, : layout.length]


def frame_queries(x: tf.Tensor, layout: Layout) -> tf.Tensor:
    """[n, L, d] -> [n * blocks, queries, d], zeros behind the end."""
    behind = _blocks(layout) * layout.queries - layout.length
    x = tf.pad(x, [[0, 0], [0, behind], [0, 0]])
    return tf.reshape(x, [-1, layout.queries, x.shape[-1]])


def frame_keys(x: tf.Tensor, layout: Layout) -> tf.Tensor:
    """[n, L, d] -> [n * blocks, keys, d], zeros outside the map."""
    size, depth = layout.queries, x.shape[-1]
    behind = (_blocks(layout) + 1) * size - layout.length
    x = tf.pad(x, [[0, 0], [size, behind], [0, 0]])
    count, n = _blocks(layout), size_of(x, 0)
    x = tf.reshape(x, [n, count + 2, size, depth])
    parts = [
        x[:, :-2, size - layout.reach :],
        x[:, 1:-1],
        x[:, 2:, : layout.reach],
    ]
    return tf.reshape(tf.concat(parts, 2), [n * count, layout.keys, depth])


def _blocks(layout: Layout) -> Size:
    return -(-layout.length // layout.queries)


def _outside_mask(layout: Layout) -> tf.Tensor:
    """[blocks, keys, 1]: 0 for keys inside the map, else the mask."""
    inside = frame_keys(tf.ones([1, layout.length, 1]), layout)
    return MASKED * (1.0 - inside)


def _append(x: tf.Tensor | None, column: tf.Tensor) -> tf.Tensor:
    return column if x is None else tf.concat([x, column], axis=-1)
