import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.data import augment
from axial_deeplab.data.augment import Augmentation
from axial_deeplab.data.dataset_specs import dataset_spec

VOID = 900


def pair(height, width):
    """An image whose red channel repeats the map."""
    panoptic = tf.reshape(tf.range(height * width), [height, width])
    image = tf.cast(tf.stack([panoptic] * 3, axis=-1), tf.float32)
    return image, panoptic


def seeds(count):
    return tf.unstack(
        tf.random.experimental.stateless_split(tf.constant([3, 4]), count)
    )


@pytest.mark.parametrize(
    "size, long_side, expected",
    [
        ((427, 640), 641, (427, 641)),  # 427.67 is rounded down
        ((640, 427), 641, (641, 427)),
        ((100, 50), 33, (33, 16)),
        ((1000, 1), 10, (10, 1)),
    ],
)
def test_long_side_size(size, long_side, expected):
    actual = augment.long_side_size(tf.constant(size), long_side)
    assert tuple(actual.numpy()) == expected


def test_random_size_takes_every_step_and_no_other():
    augmentation = Augmentation(scale_range=(0.5, 1.5), scale_step=0.1)
    found = {
        tuple(augment.random_size([100, 640], augmentation, seed).numpy())
        for seed in seeds(300)
    }
    steps = range(5, 16)
    assert found == {(10 * step, 64 * step) for step in steps}


def test_random_size_without_step_is_continuous_in_range():
    augmentation = Augmentation(scale_range=(0.5, 2.0), scale_step=0.0)
    heights = [
        int(augment.random_size([1000, 10], augmentation, seed)[0])
        for seed in seeds(100)
    ]
    assert min(heights) >= 500 and max(heights) <= 2000
    assert len(set(heights)) > 80 and max(heights) > 1700


def test_pad_and_crop_of_a_small_image_shows_all_of_it_anywhere():
    image, panoptic = pair(2, 3)
    corners = set()
    for seed in seeds(60):
        cropped, labels = augment.pad_and_crop(
            image, panoptic, (3, 4), VOID, seed
        )
        np.testing.assert_array_equal(
            cropped[..., 0].numpy(),
            np.where(labels == VOID, augment.IMAGE_PADDING_VALUE, labels),
        )
        y, x = np.argwhere(labels.numpy() == 0)[0]
        np.testing.assert_array_equal(
            labels[y : y + 2, x : x + 3].numpy(), panoptic.numpy()
        )
        corners.add((int(y), int(x)))
    assert corners == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_crop_of_a_large_image_reaches_every_place():
    image, panoptic = pair(4, 5)
    corners = set()
    for seed in seeds(80):
        cropped, labels = augment.pad_and_crop(
            image, panoptic, (3, 4), VOID, seed
        )
        first = int(labels[0, 0])
        y, x = divmod(first, 5)
        np.testing.assert_array_equal(
            labels.numpy(), panoptic.numpy()[y : y + 3, x : x + 4]
        )
        np.testing.assert_array_equal(cropped[..., 2].numpy(), labels.numpy())
        corners.add((y, x))
    assert corners == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_mixed_size_pads_one_side_and_crops_the_other():
    image, panoptic = pair(2, 9)
    cropped, labels = augment.pad_and_crop(
        image, panoptic, (4, 4), VOID, seeds(1)[0]
    )
    assert cropped.shape == (4, 4, 3) and labels.shape == (4, 4)
    assert int(tf.reduce_sum(tf.cast(labels != VOID, tf.int32))) == 8


def test_flip_mirrors_both_in_about_half_of_the_cases():
    image, panoptic = pair(2, 3)
    mirrored = 0
    for seed in seeds(100):
        flipped, labels = augment.random_flip(image, panoptic, seed)
        np.testing.assert_array_equal(flipped[..., 0].numpy(), labels.numpy())
        if int(labels[0, 0]) == 2:
            np.testing.assert_array_equal(labels, panoptic[:, ::-1])
            mirrored += 1
    assert 30 < mirrored < 70


def test_resize_pair_keeps_the_corners():
    image, panoptic = pair(3, 3)
    image, panoptic = augment.resize_pair(image, panoptic, [5, 7])
    assert image.shape == (5, 7, 3)
    assert int(panoptic[-1, -1]) == 8 and float(image[-1, -1, 0]) == 8
    assert set(np.unique(panoptic)) == set(range(9))


@pytest.mark.parametrize(
    "options", [{"scale_range": (2, 1)}, {"scale_step": -1}]
)
def test_bad_range_is_refused(options):
    with pytest.raises(ValueError, match="scale_range"):
        Augmentation(**options)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"colour": "simple"}, "one of simple_policy, photometric_distortion"),
        ({"largest_class_share": 1.5}, "largest_class_share"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)


@pytest.mark.parametrize(
    "size, expected",
    [
        ((427, 640), (512, 767)),  # the shorter side decides
        ((200, 1000), (409, 2048)),  # the longer one
        ((512, 2048), (512, 2048)),
    ],
)
def test_fitting_size(size, expected):
    found = augment.fitting_size(tf.constant(size), 2048, 512)
    assert tuple(found.numpy()) == expected


def test_crop_of_map_is_that_of_the_pair():
    image, panoptic = pair(5, 9)
    for seed in seeds(10):
        _, labels = augment.pad_and_crop(image, panoptic, (7, 4), VOID, seed)
        np.testing.assert_array_equal(
            labels, augment.crop_of_map(panoptic, (7, 4), VOID, seed)
        )


def test_varied_crops_show_two_classes():
    spec = dataset_spec("shapes")
    panoptic = np.full((4, 20), spec.label_divisor, np.int32)
    panoptic[:, 10:] *= 2
    varied = Augmentation(largest_class_share=0.75)
    plain, redrawn = 0, 0
    for seed in seeds(40):
        chosen = augment.varied_seed(panoptic, (4, 8), spec, varied, seed)
        for kind, one in (("plain", seed), ("redrawn", chosen)):
            crop = augment.crop_of_map(panoptic, (4, 8), spec.void_id, one)
            share = np.mean(crop == spec.label_divisor)
            fine = 0.25 < share < 0.75
            plain += fine and kind == "plain"
            redrawn += fine and kind == "redrawn"
    assert plain < 20 and redrawn > 32


def test_uniform_maps_end_the_redrawing():
    spec = dataset_spec("shapes")
    panoptic = np.full((4, 20), spec.void_id, np.int32)
    varied = Augmentation(largest_class_share=0.75)
    (seed,) = seeds(1)
    chosen = augment.varied_seed(panoptic, (4, 8), spec, varied, seed)
    assert chosen.shape == (2,)
    chosen = augment.varied_seed(panoptic * 0 + 5, (4, 8), spec, varied, seed)
    assert chosen.shape == (2,)
