"""Multi-head attention by loops, and the offsets of rows and of windows."""

import numpy as np


def softmax(logits):
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def attend(query, key, value, bias, allowed):
    """[q, d], [k, d], [k, e], [q, k] and [q, k] bool -> [q, e]."""
    result = np.zeros((len(query), value.shape[1]))
    for i, one in enumerate(query):
        seen = np.flatnonzero(allowed[i])
        if len(seen):
            logits = [one @ key[j] / np.sqrt(len(one)) for j in seen]
            weights = softmax(np.array(logits) + bias[i, seen])
            result[i] = weights @ value[seen]
    return result


def offset_term(query, table, offset, head):
    """Of one pair: q . r / sqrt(d), or the number of a head."""
    reach = (len(table) - 1) // 2
    row = table[np.clip(offset, -reach, reach) + reach]
    if len(row) == len(query) and head is None:
        return query @ row / np.sqrt(len(query))
    return row[head]


def attend_places(qkv, heads, bias, allowed):
    """[L, 3C] -> [L, C]; bias(head, query vector, i, j), allowed [L, L]."""
    places, channels = len(qkv), qkv.shape[1] // 3
    depth, parts = channels // heads, np.split(qkv, 3, axis=1)
    result = np.zeros((places, channels))
    for head in range(heads):
        own = slice(head * depth, (head + 1) * depth)
        query, key, value = (part[:, own] for part in parts)
        added = np.array(
            [
                [bias(head, query[i], i, j) for j in range(places)]
                for i in range(places)
            ]
        )
        result[:, own] = attend(query, key, value, added, allowed)
    return result


def rows(qkv, heads, table, vector, mask):
    """Within rows: [B, H, W, 3C], mask [B, H, W, W] -> [B, H, W, C]."""

    def bias(head, query, i, j):
        if table is None:
            return 0.0
        return offset_term(query, table, j - i, None if vector else head)

    result = np.zeros((*qkv.shape[:3], qkv.shape[3] // 3))
    for image, row in np.ndindex(*qkv.shape[:2]):
        result[image, row] = attend_places(
            qkv[image, row], heads, bias, mask[image, row]
        )
    return result


def windows(qkv, heads, side, tables, vector, mask):
    """In windows: [B, H, W, 3C], keys [B, H, W] -> [B, H, W, C]."""
    result = np.zeros((*qkv.shape[:3], qkv.shape[3] // 3))
    height, width = qkv.shape[1:3]
    for image in range(len(qkv)):
        for top in range(0, height, side):
            for left in range(0, width, side):
                places = [
                    (y, x)
                    for y in range(top, min(top + side, height))
                    for x in range(left, min(left + side, width))
                ]

                def bias(head, query, i, j, places=places):
                    if tables is None:
                        return 0.0
                    return sum(
                        offset_term(
                            query,
                            tables[axis],
                            places[j][axis] - places[i][axis],
                            None if vector else head,
                        )
                        for axis in (0, 1)
                    )

                inside = np.array([qkv[image][place] for place in places])
                keys = np.array([mask[image][place] for place in places])
                allowed = np.tile(keys, (len(places), 1))
                y = attend_places(inside, heads, bias, allowed)
                for place, vector_ in zip(places, y, strict=True):
                    result[image][place] = vector_
    return result
