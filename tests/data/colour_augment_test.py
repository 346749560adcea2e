"""Operations against Pillow's, recipes by what they must and must not do."""

import colorsys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from axial_deeplab.data import augment, colour_augment
from axial_deeplab.data.augment import Augmentation


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    pixels = rng.integers(20, 230, (60, 70, 3)) // 3 + 30
    return pixels.astype(np.uint8)


def apart(ours, pillow):
    """Largest difference of values; rounding may cost 1."""
    difference = np.asarray(ours, int) - np.asarray(pillow, int)
    return np.abs(difference).max()


def test_operations_agree_with_pillow(image):
    pillow = Image.fromarray(image)
    equalized = colour_augment.equalize(image)
    assert apart(equalized, ImageOps.equalize(pillow)) == 0
    solarized = colour_augment.solarize(tf.constant(image), 60)
    assert apart(solarized, ImageOps.solarize(pillow, 60)) == 0
    darker = colour_augment.brightness(image, 0.46)
    assert apart(darker, ImageEnhance.Brightness(pillow).enhance(0.46)) <= 1
    paler = colour_augment.colour(tf.constant(image), 0.424)
    assert apart(paler, ImageEnhance.Color(pillow).enhance(0.424)) <= 1
    softer = colour_augment.sharpness(image, 0.0)
    assert apart(softer, pillow.filter(ImageFilter.SMOOTH)) <= 1
    assert apart(softer, image) > 5


def test_equalize_leaves_flat_images_alone():
    flat = np.full((5, 4, 3), 77, np.uint8)
    np.testing.assert_array_equal(colour_augment.equalize(flat), flat)


def test_contrast_blends_with_the_recipes_grey():
    flat = np.full((300, 300, 3), 60, np.uint8)
    assert int(colour_augment.contrast(flat, 0.46)[0, 0, 0]) == 165  # 165.3
    small = np.full((64, 64, 3), 60, np.uint8)  # grey 16
    assert int(colour_augment.contrast(small, 0.5)[0, 0, 0]) == 38


def results(recipe, image, count):
    changed = tf.function(recipe)
    return [
        changed(tf.constant(image), tf.constant([number, 3])).numpy()
        for number in range(count)
    ]


def test_simple_policy_keeps_the_published_share_of_images(image):
    # Untouched: 0.6 0.8, 0.8, 0.8 0.8, 0.8 0.4 and 0.8 0.8, on average 0.576.
    found = results(colour_augment.simple_policy, image, 250)
    same = np.mean([np.array_equal(one, image) for one in found])
    assert 0.576 - 0.1 < same < 0.576 + 0.1
    kinds = {one.tobytes() for one in found}
    # 3 + 1 + 3 + 3 + 3 results of operations done alone or together.
    assert 9 <= len(kinds) <= 14


def test_distortion_of_grey_is_brightness_and_contrast():
    grey = np.full((2, 2, 3), 100, np.uint8)
    found = np.array(results(colour_augment.photometric_distortion, grey, 200))
    assert (found == found[:, :1, :1, :1]).all()
    values = found[:, 0, 0, 0].astype(int)
    assert values.min() >= (100 - 32) * 0.5 - 1 and values.min() < 60
    assert values.max() <= (100 + 32) * 1.5 and values.max() > 140
    assert 0.1 < (values == 100).mean() < 0.45  # a quarter


def test_distortion_turns_the_hue_by_less_than_36_degrees():
    # Dark enough that nothing is clipped, which would turn the hue, too.
    red = np.tile(np.array([120, 36, 36], np.uint8), (2, 2, 1))
    turns = []
    for one in results(colour_augment.photometric_distortion, red, 150):
        hue = colorsys.rgb_to_hsv(*(one[0, 0] / 255.0))[0] * 360
        turns.append((hue + 180) % 360 - 180)
    turns = np.array(turns)
    assert np.abs(turns).max() < 36 + 2 and np.abs(turns).max() > 25
    assert 0.35 < (np.abs(turns) < 0.5).mean() < 0.75  # a half and a bit
    assert (turns > 5).any() and (turns < -5).any()


def test_random_colour_rounds_and_keeps_off(image):
    seed = tf.constant([1, 2])
    assert augment.random_colour(image, Augmentation(), seed) is image
    distorted = augment.random_colour(
        tf.constant(image, tf.float32) + 0.4,
        Augmentation(colour="photometric_distortion"),
        seed,
    )
    assert distorted.dtype == tf.uint8
    np.testing.assert_array_equal(
        distorted, colour_augment.photometric_distortion(image, seed)
    )
