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

from axial_deeplab.layers.chunks import Size, size_of, sizes_of
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
    def places(self) -> Size:
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
    """Lines [n, L, .] to blocks [n * blocks, queries or keys, .]."""
    if not layout.framed:
        return lines
    count, blocks = size_of(lines.query, 0), _blocks(layout)
    frame = {"query": _query_blocks, "key": _key_blocks}
    places = {
        name: _blocks_by_place(frame[name](x, layout, 0))
        for name, x in lines.places.items()
    }
    mask = tf.tile(_outside_mask(layout), [count, 1, 1])
    return Lines(
        frame_queries(lines.query, layout),
        frame_keys(lines.key, layout),
        frame_keys(lines.value, layout),
        places,
        {name: tf.repeat(x, blocks, 0) for name, x in lines.factors.items()},
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
    return x[:, : layout.all_queries]


def frame_queries(x: tf.Tensor, layout: Layout) -> tf.Tensor:
    """[n, all queries, d] -> [n * blocks, queries, d], zeros behind the end."""
    blocks = _query_blocks(x, layout, 1)
    return tf.reshape(blocks, [-1, layout.queries, x.shape[-1]])


def frame_keys(x: tf.Tensor, layout: Layout) -> tf.Tensor:
    """[n, L, d] -> [n * blocks, keys, d], zeros outside the map."""
    blocks = _key_blocks(x, layout, 1)
    return tf.reshape(blocks, [-1, layout.keys, x.shape[-1]])


def _query_blocks(x: tf.Tensor, layout: Layout, axis: int) -> tf.Tensor:
    """Cuts those of `axis`: [.., all, ..] -> [.., blocks, queries, ..]."""
    behind = _blocks(layout) * layout.queries - layout.all_queries
    return _pad_and_cut(x, axis, (0, behind), layout.queries)


def _key_blocks(x: tf.Tensor, layout: Layout, axis: int) -> tf.Tensor:
    """[.., L, ..] -> [.., blocks, keys, ..], zeros outside the map."""
    size, reach = layout.places, layout.reach
    behind = (_blocks(layout) + 1) * size - layout.length
    x = _pad_and_cut(x, axis, (size, behind), size)
    before = (slice(None),) * axis
    parts = [
        x[(*before, slice(None, -2), slice(size - reach, None))],
        x[(*before, slice(1, -1))],
        x[(*before, slice(2, None), slice(None, reach))],
    ]
    return tf.concat(parts, axis + 1)


def _blocks_by_place(x: tf.Tensor) -> tf.Tensor:
    """[blocks, size, n, d] -> [size, n * blocks, d]."""
    x = tf.transpose(x, [1, 2, 0, 3])
    return tf.reshape(x, [size_of(x, 0), -1, x.shape[-1]])


def _pad_and_cut(
    x: tf.Tensor, axis: int, zeros: tuple[Size, Size], block: int
) -> tf.Tensor:
    paddings = [[0, 0]] * 3
    paddings[axis] = zeros
    x = tf.pad(x, paddings)
    sizes = sizes_of(x)
    sizes[axis : axis + 1] = [sizes[axis] // block, block]
    return tf.reshape(x, sizes)


def _blocks(layout: Layout) -> Size:
    return -(-layout.length // layout.places)


def _outside_mask(layout: Layout) -> tf.Tensor:
    """[blocks, keys, 1]: 0 for keys inside the map, else the mask."""
    inside = frame_keys(tf.ones([1, layout.length, 1]), layout)
    return MASKED * (1.0 - inside)


def _append(x: tf.Tensor | None, column: tf.Tensor) -> tf.Tensor:
    return column if x is None else tf.concat([x, column], axis=-1)
