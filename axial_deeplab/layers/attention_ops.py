"""Position-sensitive attention over lines, in chunks (arXiv:2003.07853, Eq. 4).

A line is one row or column of one head. Its logits are
c query_i . key_j + a query_i . Q[j - i] + b key_j . K[j - i]: a content term
and up to two position terms, each times the factor of its norm.

Nothing of size lines x L x L is stored. As many lines, and of long lines as
many queries, as fit a budget of bytes are worked on at a time; the gradient
computes their logits again, unless all weights fit the budget as well.
"""

from typing import NamedTuple

import tensorflow as tf

from axial_deeplab.layers import chunks
from axial_deeplab.layers.chunks import FLOAT_BYTES, Size
from axial_deeplab.layers.line_attention import (
    Lines,
    Terms,
    attend_chunk,
    chunk_gradient,
    gather_back,
    spread,
)
from axial_deeplab.layers.relative_position import rows_by_pair

# Maps of logits that are alive at once in a chunk, and in its gradient.
_MAPS, _GRADIENT_MAPS = 4, 6


# Of maps that would fit a third is alive, which costs a tenth of the time; not
# so where a chunk is smaller than this.
DEFAULT_MIN_CHUNKS = 3
_SMALL_BYTES = 4 * 2**20


class ChunkSizes(NamedTuple):
    """Queries and lines of a chunk; whether to keep weights for gradients.

    Queries are `step` places apart.
    """

    queries: Size
    lines: Size
    keep_weights: bool
    step: int = 1


def attend(
    lines: Lines,
    windows: Terms,
    logits_bytes: int,
    training: bool,
    min_chunks: int = DEFAULT_MIN_CHUNKS,
    step: int = 1,
) -> Terms:
    """Softmax over the keys, then retrieval of values and of positions.

    Args:
      lines: see `Lines`.
      windows: [step (q - 1) + k, depth] by term; row r is the offset
        r - step (q - 1). One column more than what the term takes is deep is
        a mask: added to the logits of its offset ("query"), or times
        `lines.masks` ("key").
      logits_bytes: bound of what is stored for logits and weights.
      training: whether gradients will be wanted.
      min_chunks: how many parts lines are cut into at least, unless small.
      step: how many places a query is from the next one.

    Returns:
      "content" [n, q, e] and, with a "value" window, "position" [q, n, .].
    """
    sizes = _chunk_sizes(lines, windows, (logits_bytes, min_chunks), training)
    sizes = sizes._replace(step=step)
    masks = lines.masks
    inputs = (lines._replace(masks={}), windows)

    @tf.custom_gradient
    def run(*flat):
        lines, windows = tf.nest.pack_sequence_as(inputs, flat)
        lines = lines._replace(masks=masks)
        outputs = _forward(lines, windows, sizes)
        kept = {}
        if sizes.keep_weights:
            kept["weights"] = outputs.pop("weights")

        def gradient(*flat_gradients):
            gradients = tf.nest.pack_sequence_as(outputs, flat_gradients)
            of_lines, of_windows = _backward(
                lines, windows, gradients, kept, sizes
            )
            return tf.nest.flatten((of_lines, of_windows))

        return tf.nest.flatten(outputs), gradient

    depths = {"content": lines.value.shape[-1]}
    if "value" in windows:
        depths["position"] = windows["value"].shape[-1]
    outputs = run(*tf.nest.flatten(inputs))
    return {
        name: tf.ensure_shape(x, [None, None, depth])
        for (name, depth), x in zip(depths.items(), outputs, strict=True)
    }


def _chunk_sizes(
    lines: Lines, windows: Terms, budget: tuple[int, int], training: bool
) -> ChunkSizes:
    """Divides the budget among embeddings, kept weights and a chunk's maps."""
    logits_bytes, min_chunks = budget
    count, queries = (chunks.size_of(lines.query, axis) for axis in (0, 1))
    keys = chunks.size_of(lines.key, 1)
    maps = _GRADIENT_MAPS if training else _MAPS
    depth = sum(window.shape[1] for window in windows.values())
    query_bytes = FLOAT_BYTES * keys * max(depth, 2 * maps)
    block = chunks.larger(logits_bytes // 2 // query_bytes, 1)
    block = chunks.even_part(queries, block)
    left = logits_bytes - FLOAT_BYTES * block * keys * depth
    weights = FLOAT_BYTES * count * queries * keys
    keep = training and isinstance(weights, int) and weights <= 0.75 * left
    if keep:
        left -= weights
    left = chunks.smaller(left, logits_bytes // 2)
    line_bytes = FLOAT_BYTES * maps * block * keys
    share = chunks.larger(-(-count // min_chunks), _SMALL_BYTES // line_bytes)
    at_once = chunks.larger(chunks.smaller(left // line_bytes, share), 1)
    return ChunkSizes(block, chunks.even_part(count, at_once), keep)


def _line_axes(lines: Lines) -> Lines:
    """Where the lines are, for `scan_chunks`."""
    by_line, by_place = (
        lambda terms, axis=axis: {name: axis for name in terms}
        for axis in (0, 1)
    )
    return Lines(
        0,
        0,
        0,
        by_line(lines.factors),
        by_place(lines.places),
        _axes(_MASK_AXIS, lines.masks),
    )


# Where the lines and the queries of outputs and of their gradients are.
_LINE_AXIS = {"content": 0, "position": 1, "weights": 0}
_QUERY_AXIS = {"content": 1, "position": 0, "weights": 1, "pair": 1}
# Where the lines of masks are.
_MASK_AXIS = {"key": 1, "pair": 0}


def _query_parts(lines: Lines) -> Terms:
    """What is cut when queries are, by the names of `_QUERY_AXIS`."""
    parts = {"content": lines.query}
    if "query" in lines.places:
        parts["position"] = lines.places["query"]
    if "pair" in lines.masks:
        parts["pair"] = lines.masks["pair"]
    return parts


def _with_query_parts(lines: Lines, parts: Terms) -> Lines:
    places, masks = dict(lines.places), dict(lines.masks)
    if "position" in parts:
        places["query"] = parts["position"]
    if "pair" in parts:
        masks["pair"] = parts["pair"]
    return lines._replace(query=parts["content"], places=places, masks=masks)


def _axes(axis_by_name: dict[str, int], terms: Terms) -> dict[str, int]:
    return {name: axis_by_name[name] for name in terms}


def _forward(lines: Lines, windows: Terms, sizes: ChunkSizes) -> Terms:
    """`attend`, and "weights" [n, q, k] if they are kept."""
    names = ["content"]
    names += ["position"] if "value" in windows else []
    names += ["weights"] if sizes.keep_weights else []
    queries, keys = (chunks.size_of(x, 1) for x in lines[:2])

    def of_queries(carry, start, parts):
        rows = rows_by_pair(queries, keys, start, sizes.queries, sizes.step)
        by_pair = spread(windows, rows)

        def of_lines(carry, _, chunk):
            outputs = attend_chunk(chunk, by_pair)
            return carry, {name: outputs[name] for name in names}

        chunk = _with_query_parts(lines, parts)
        return carry, chunks.scan_chunks(
            of_lines,
            chunk,
            (),
            _axes(_LINE_AXIS, names),
            sizes.lines,
            _line_axes(chunk),
        )[1]

    parts = _query_parts(lines)
    return chunks.scan_chunks(
        of_queries,
        parts,
        (),
        _axes(_QUERY_AXIS, names),
        sizes.queries,
        _axes(_QUERY_AXIS, parts),
    )[1]


def _backward(
    lines: Lines,
    windows: Terms,
    gradients: Terms,
    kept: Terms,
    sizes: ChunkSizes,
) -> tuple[Lines, Terms]:
    """Gradients of `lines` and `windows`; `kept` may have the "weights"."""
    queries, keys = (chunks.size_of(x, 1) for x in lines[:2])
    differentiable = lines._replace(masks={})

    def of_queries(carry, start, parts):
        query_parts, gradients, kept = parts
        rows = rows_by_pair(queries, keys, start, sizes.queries, sizes.step)
        by_pair = spread(windows, rows)

        def of_lines(carry, _, chunk):
            by_line, of_pairs = chunk_gradient(*chunk, by_pair)
            return tf.nest.map_structure(tf.add, carry, of_pairs), by_line

        chunk = _with_query_parts(lines, query_parts)
        of_pairs, by_line = chunks.scan_chunks(
            of_lines,
            (chunk, gradients, kept),
            tf.nest.map_structure(tf.zeros_like, by_pair),
            _line_axes(chunk._replace(masks={})),
            sizes.lines,
            (
                _line_axes(chunk),
                _axes(_LINE_AXIS, gradients),
                _axes(_LINE_AXIS, kept),
            ),
        )
        count = sizes.step * (queries - 1) + keys
        of_rows = gather_back(of_pairs, rows, count)
        sums = tf.nest.map_structure(
            tf.add, carry, (_key_parts(by_line), of_rows)
        )
        return sums, _query_parts(by_line)

    parts = (_query_parts(lines), gradients, kept)
    axes = tuple(_axes(_QUERY_AXIS, part) for part in parts)
    (by_key, by_row), by_query = chunks.scan_chunks(
        of_queries,
        parts,
        tf.nest.map_structure(
            tf.zeros_like, (_key_parts(differentiable), windows)
        ),
        _axes(_QUERY_AXIS, _query_parts(differentiable)),
        sizes.queries,
        axes,
    )
    return _with_query_parts(by_key, by_query), by_row


def _key_parts(lines: Lines) -> Lines:
    """What all queries share; the queries' own parts are left empty."""
    nothing = {name: tf.zeros([]) for name in _query_parts(lines)}
    return _with_query_parts(lines, nothing)
