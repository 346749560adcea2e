"""Attention of one chunk of lines, and its gradient (Eq. 4).

The product of a query (or key) with the embeddings of all its pairs is one
matrix product per place over all lines of a chunk. That is why windows of
embeddings are spread to [queries, keys, d], why queries and keys are swapped to
lie by place, and why position terms are transposed: moving rows of logits
costs less than skewing them.
"""

from typing import NamedTuple

import tensorflow as tf

from axial_deeplab.layers.chunks import Size, size_of
from axial_deeplab.layers.relative_position import sum_rows

# Tensors by the name of a position term: "query", "key", "value".
Terms = dict[str, tf.Tensor]

# Large enough to vanish in a softmax, small enough to add up safely.
MASKED = -1e9


class Lines(NamedTuple):
    """What differs from line to line; all float32, n lines.

    query [n, q, d], key [n, k, d], value [n, k, e]; factors [n, 1, 1] of the
    position terms in use, "query" and "key", and of "content" if it has one;
    places, if any: "query" [q, n, .] and "key" [k, n, .], which those terms
    take instead of the queries and keys; masks, if any: "key" [k, n, 1], added
    to all logits of a key, and "pair" [n, q, k] bool, False where a query does
    not see a key. Masks have no gradient.
    """

    query: tf.Tensor
    key: tf.Tensor
    value: tf.Tensor
    factors: Terms
    places: Terms
    masks: Terms

    def by_place(self, name: str) -> tf.Tensor:
        """[q or k, n, .]: what the "query" or the "key" term takes."""
        if name in self.places:
            return self.places[name]
        return swap({"query": self.query, "key": self.key}[name])


def spread(windows: Terms, rows: tf.Tensor) -> Terms:
    """Embeddings by pair: [q, k, d], those of the key term [k, q, d]."""
    return {
        name: tf.gather(x, _by_feature(rows, name))
        for name, x in windows.items()
    }


def gather_back(by_pair: Terms, rows: tf.Tensor, count: Size) -> Terms:
    """Gradients of windows from those of their spread form."""
    return {
        name: sum_rows(x, _by_feature(rows, name), count)
        for name, x in by_pair.items()
    }


def _by_feature(rows: tf.Tensor, name: str) -> tf.Tensor:
    """Rows [q, k] in the order in which a term is computed."""
    return tf.transpose(rows) if name == "key" else rows


def swap(x: tf.Tensor) -> tf.Tensor:
    """Lines and positions exchanged."""
    return tf.transpose(x, [1, 0, 2])


def sum_by_line(x: tf.Tensor) -> tf.Tensor:
    """[places, n, d] -> [n]; what lies side by side first: twice as fast."""
    return tf.reduce_sum(tf.reduce_sum(x, 2), 0)


def _features(lines: Lines, spread: Terms) -> Terms:
    """[q or k, n, depth]: what the position terms multiply windows with."""
    features = {}
    for name in [name for name in spread if name != "value"]:
        parts, depth = [], spread[name].shape[-1]
        if name in lines.factors:
            factor = _for_places(lines.factors[name])
            parts.append(lines.by_place(name) * factor)
            depth -= parts[0].shape[-1]
        if depth:
            parts.append(_mask_feature(lines, name))
        features[name] = tf.concat(parts, -1) if parts[1:] else parts[0]
    return features


def _mask_feature(lines: Lines, name: str) -> tf.Tensor:
    """[q or k, n, 1], that multiplies the mask column of a window."""
    if name in lines.masks:
        return lines.masks[name]
    count, queries = (size_of(lines.query, axis) for axis in (0, 1))
    return tf.ones([queries, count, 1])


def _for_places(factor: tf.Tensor) -> tf.Tensor:
    """[n, 1, 1] -> [1, n, 1]."""
    return tf.reshape(factor, [1, -1, 1])


def _weights(lines: Lines, features: Terms, spread: Terms) -> tf.Tensor:
    """[n, q, k]."""
    content = lines.query
    if "content" in lines.factors:
        content *= lines.factors["content"]
    logits = [tf.matmul(content, lines.key, transpose_b=True)]
    for name, order in (("query", [1, 0, 2]), ("key", [1, 2, 0])):
        if name in features:
            term = tf.matmul(features[name], spread[name], transpose_b=True)
            logits.append(tf.transpose(term, order))
    logits = tf.add_n(logits)
    if "pair" in lines.masks:
        logits = tf.where(lines.masks["pair"], logits, MASKED)
    return tf.nn.softmax(logits)


def attend_chunk(lines: Lines, spread: Terms) -> Terms:
    """The outputs of `attend` and "weights" [n, q, k]."""
    weights = _weights(lines, _features(lines, spread), spread)
    outputs = {"content": tf.matmul(weights, lines.value), "weights": weights}
    if "value" in spread:
        outputs["position"] = tf.matmul(swap(weights), spread["value"])
    return outputs


def chunk_gradient(
    lines: Lines, gradients: Terms, kept: Terms, spread: Terms
) -> tuple[Lines, Terms]:
    """Gradients of a chunk's lines and, summed over them, of `spread`."""
    features = _features(lines, spread)
    weights = kept.get("weights")
    if weights is None:
        weights = _weights(lines, features, spread)
    of_content = gradients["content"]
    of_weights = tf.matmul(of_content, lines.value, transpose_b=True)
    of_value = tf.matmul(weights, of_content, transpose_a=True)
    by_pair = {}
    if "value" in spread:
        of_position = gradients["position"]
        of_weights += swap(
            tf.matmul(of_position, spread["value"], transpose_b=True)
        )
        by_pair["value"] = tf.matmul(
            swap(weights), of_position, transpose_a=True
        )
    of_logits = weights * of_weights
    of_logits -= weights * tf.reduce_sum(of_logits, -1, keepdims=True)
    of_features = {}
    for name, order in (("query", [1, 0, 2]), ("key", [2, 0, 1])):
        if name in spread:
            by_place = tf.transpose(of_logits, order)
            of_features[name] = tf.matmul(by_place, spread[name])
            by_pair[name] = tf.matmul(
                by_place, features[name], transpose_a=True
            )
    return _line_gradient(lines, of_logits, of_value, of_features), by_pair


def _line_gradient(
    lines: Lines, of_logits: tf.Tensor, of_value: tf.Tensor, of_features: Terms
) -> Lines:
    """Gradients of queries, keys and factors from those of their products."""
    query, of_query = lines.query, tf.matmul(of_logits, lines.key)
    of_factors, of_places = {}, {}
    if "content" in lines.factors:
        factor = lines.factors["content"]
        of_factor = tf.reduce_sum(of_query * query, [1, 2], keepdims=True)
        of_factors["content"] = of_factor
        query, of_query = query * factor, of_query * factor
    of_key = tf.matmul(of_logits, query, transpose_a=True)
    of_line = {"query": of_query, "key": of_key}
    for name in [name for name in lines.factors if name != "content"]:
        x = lines.by_place(name)
        of_feature = of_features[name][..., : x.shape[-1]]
        of_factor = sum_by_line(of_feature * x)
        of_factors[name] = of_factor[:, tf.newaxis, tf.newaxis]
        of_place = of_feature * _for_places(lines.factors[name])
        if name in lines.places:
            of_places[name] = of_place
        else:
            of_line[name] += swap(of_place)
    return Lines(
        of_line["query"], of_line["key"], of_value, of_factors, of_places, {}
    )
