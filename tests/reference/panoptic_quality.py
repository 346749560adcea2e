"""Panoptic quality by loops over segments and pixels.

Written from arXiv:1801.00868 section 4 and the crowd and void rules of the
official evaluation: every segment is a plain set of pixels.
"""


def pixel_set(id_map, segment_id):
    height, width = id_map.shape
    return {
        (y, x)
        for y in range(height)
        for x in range(width)
        if id_map[y, x] == segment_id
    }


def image_counts(truth_map, truth_segments, predicted_map, predicted_segments):
    """{category: [list of matched IoUs, FP, FN]} of one image."""
    void = pixel_set(truth_map, 0)
    truths = [(s, pixel_set(truth_map, s["id"])) for s in truth_segments]
    predictions = [
        (s, pixel_set(predicted_map, s["id"])) for s in predicted_segments
    ]
    counts = {s["category_id"]: [[], 0, 0] for s, _ in truths + predictions}
    matched = set()
    for truth, region in truths:
        if truth["iscrowd"]:
            continue
        found = _match(truth, region, predictions, void)
        if found is None:
            counts[truth["category_id"]][2] += 1
        else:
            counts[truth["category_id"]][0].append(found[1])
            matched.add(found[0])
    for prediction, region in predictions:
        category = prediction["category_id"]
        excuse = void | _last_crowd(truths, category)
        mostly_excused = len(region & excuse) > 0.5 * len(region)
        if prediction["id"] not in matched and not mostly_excused:
            counts[category][1] += 1
    return counts


def _match(truth, region, predictions, void):
    """(predicted id, IoU) with IoU > 0.5, else None."""
    for prediction, found in predictions:
        iou = len(region & found) / len((region | found) - void)
        if prediction["category_id"] == truth["category_id"] and iou > 0.5:
            return prediction["id"], iou
    return None


def _last_crowd(truths, category):
    crowds = [
        region
        for truth, region in truths
        if truth["iscrowd"] and truth["category_id"] == category
    ]
    return crowds[-1] if crowds else set()
