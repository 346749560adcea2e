"""Average precision of instance masks by loops over pixels and objects.

Written from the rules of the Cityscapes and Mapillary evaluation: every object
is a plain set of pixels, every point of the curve is counted anew.
"""

import math


def pixel_set(mask):
    height, width = mask.shape
    return {(y, x) for y in range(height) for x in range(width) if mask[y, x]}


def average_precision(images, threshold, inclusive=False, min_pixels=100):
    """Average precision of one class.

    `images` are dicts: `objects` and `groups` lists of pixel sets, `ignored` a
    pixel set, `masks` a list of (pixel set, score). `inclusive`: a value equal
    to the threshold passes it. None if there is no target.
    """

    def passes(value):
        return value >= threshold if inclusive else value > threshold

    marks, targets = [], 0  # (score, is a hit)
    for image in images:
        for one in image["objects"]:
            if len(one) < min_pixels:
                continue
            targets += 1
            scores = [
                s for mask, s in image["masks"] if passes(_iou(one, mask))
            ]
            if scores:
                marks.append((max(scores), True))
                scores.remove(max(scores))
                marks += [(score, False) for score in scores]
        for mask, score in image["masks"]:
            others = image["objects"] + image["groups"]
            if not any(passes(_iou(one, mask)) for one in others):
                share = _excused(image, mask, min_pixels) / len(mask)
                if not passes(share):
                    marks.append((score, False))
    return _area(marks, targets) if targets else None


def _iou(one, other):
    return len(one & other) / len(one | other)


def _excused(image, mask, min_pixels):
    small = [
        x for x in image["objects"] + image["groups"] if len(x) < min_pixels
    ]
    regions = [image["ignored"], *image["groups"], *small]
    return sum(len(mask & region) for region in regions)


def _area(marks, targets):
    """Trapezoids between one point a score and (recall 0, precision 1)."""
    points = [(0.0, 1.0)]
    for limit in sorted({score for score, _ in marks}, reverse=True):
        above = [is_hit for score, is_hit in marks if score >= limit]
        points.append((sum(above) / targets, sum(above) / len(above)))
    pairs = zip(points, points[1:], strict=False)
    return math.fsum(
        (right[0] - left[0]) * (left[1] + right[1]) / 2 for left, right in pairs
    )
