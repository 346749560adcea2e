"""Random images with instances and overlapping masks for them."""

import numpy as np

from axial_deeplab.evaluation import PredictedMask
from tests.reference.average_precision import pixel_set

CAR, PERSON, VOID = 26, 24, 4


def random_images(number, divisor, void=VOID):
    """[(instance map, masks)]: some objects are small, some regions groups.

    The ids are `label * divisor + number`; a group, and void, is its label.
    """
    random = np.random.default_rng(7)
    return [_random_image(random, divisor, void) for _ in range(number)]


def _random_image(random, divisor, void):
    values = [CAR * divisor + 1, CAR * divisor + 2, PERSON * divisor + 1, 7]
    values += [CAR, PERSON] if divisor == 1000 else [PERSON * divisor]
    blocks = random.choice([*values, void], (4, 6))
    truth = np.kron(blocks, np.ones((6, 7), int))
    masks = []
    for _ in range(7):
        label = int(random.choice([CAR, PERSON]))
        mask = truth == random.choice(values[:3])
        mask = np.roll(mask, random.integers(-2, 3, 2), (0, 1))
        mask |= random.random(mask.shape) < 0.03
        score = round(float(random.random()), 1)
        masks.append(PredictedMask(mask, label, score))
    return truth, masks


def accumulated(metric, images):
    for truth, masks in images:
        metric.update(truth, masks)
    return metric


def reference_images(images, label, divisor, void=VOID):
    """The same images as pixel sets, for one label."""
    return [
        {
            "objects": [
                pixel_set(truth == key)
                for key in np.unique(truth).tolist()
                if key >= divisor and key // divisor == label
            ],
            "groups": [pixel_set(truth == label)] if divisor == 1000 else [],
            "ignored": pixel_set(truth == void),
            "masks": [
                (pixel_set(one.mask), one.score)
                for one in masks
                if one.label_id == label
            ],
        }
        for truth, masks in images
    ]
