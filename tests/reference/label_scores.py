"""IoU and instance-weighted IoU by loops over pixels.

Written from the definitions of the Cityscapes benchmark: `pixels` are tuples
(true label, instance id, predicted label), one a pixel of the data set.
"""

import collections


def iou(pixels, members, evaluated):
    """IoU of a block of labels, None where it does not occur.

    Truth outside `evaluated` counts nowhere; a member predicted as any label
    outside the block is missed.
    """
    hits = missed = false = 0
    for truth, _, predicted in pixels:
        if truth in members:
            hits += predicted in members
            missed += predicted not in members
        elif truth in evaluated:
            false += predicted in members
    whole = hits + missed + false
    return hits / whole if whole else None


def weighted_iou(pixels, members, evaluated, label_of, mean_px):
    """iIoU: pixels of objects weigh mean size / size, false ones 1.

    `pixels` are lists, one an image, as instance ids are counted anew in each.
    `label_of` maps an instance id to the label of an object, or None.
    `members` are labels that may be taken for one another.
    """
    found = missed = false = 0.0
    for image in pixels:
        sizes = collections.Counter(instance for _, instance, _ in image)
        for truth, instance, predicted in image:
            label = label_of(instance)
            if label in members:
                weight = mean_px[label] / sizes[instance]
                if predicted in members:
                    found += weight
                else:
                    missed += weight
            if truth in evaluated and truth not in members:
                false += predicted in members
    whole = found + missed + false
    return found / whole if whole else None
