import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.data import crops
from axial_deeplab.data.crops import RandomCrop
from tests.data import labelled_case

SIZE = tf.constant([60, 80])
IMAGE = labelled_case.picture(1, (30, 36))


def windows(crop, size=SIZE, count=150):
    return np.array(
        [crops.random_window(size, crop, [3, seed]) for seed in range(count)]
    )


def test_random_windows_keep_their_ranges():
    crop = RandomCrop(area_range=(0.2, 0.5), aspect_range=(0.8, 1.25))
    top, left, height, width = windows(crop).T
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + height <= 60).all() and (left + width <= 80).all()
    area, aspect = height * width / (60 * 80), width / height
    slack = 1.1  # sides are whole pixels
    assert 0.2 / slack < area.min() < 0.25 and 0.4 < area.max() < 0.5 * slack
    assert 0.8 / slack < aspect.min() < 0.9 and 1.1 < aspect.max()
    assert aspect.max() < 1.25 * slack
    assert len(set(top)) > 10 and len(set(left)) > 10


def test_impossible_and_full_windows_are_the_image():
    whole = [[0, 0, 60, 80]]
    square = RandomCrop(area_range=(1.0, 1.0), aspect_range=(1.0, 1.0))
    assert (windows(square, count=5) == whole).all()


def test_seed_fixes_the_window():
    one, two = windows(RandomCrop(), count=3), windows(RandomCrop(), count=3)
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "options",
    [
        {"area_range": (0.0, 1.0)},
        {"area_range": (0.5, 0.4)},
        {"area_range": (0.5, 1.1)},
        {"aspect_range": (-1.0, 1.0)},
    ],
)
def test_bad_range_is_named(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}` must be 0 < .*got"):
        RandomCrop(**options)


@pytest.mark.parametrize(
    "size, crop_px, resize_px, expected",
    [
        ((512, 384), 224, 256, (88, 24, 336, 336)),
        ((100, 101), 32, 32, (0, 0, 100, 100)),
        ((7, 9), 1, 64, (3, 4, 1, 1)),
    ],
)
def test_central_window(size, crop_px, resize_px, expected):
    window = crops.central_window(tf.constant(size), crop_px, resize_px)
    assert tuple(window.numpy()) == expected


def test_central_window_is_resize_then_crop():
    # A linear image has the same value at the same place at any size.
    image = labelled_case.picture(0, (64, 80))
    window = crops.central_window(tf.constant([64, 80]), 28, 32)
    crop = crops.decode_window(
        tf.constant(labelled_case.encoded(image)), lambda _: window
    )
    actual = crops.resize_square(crop, 28).numpy()
    resized = tf.image.resize(image, [32, 40]).numpy()
    np.testing.assert_allclose(actual, resized[2:30, 6:34], atol=1e-3)


@pytest.mark.parametrize("image_format", ["png", "bmp", "jpeg"])
@pytest.mark.parametrize("traced", [False, True])
def test_only_the_window_is_decoded(image_format, traced):
    options = {"subsampling": 0} if image_format == "jpeg" else {}
    encoded = labelled_case.encoded(IMAGE, image_format, **options)

    def decode(encoded):
        return crops.decode_window(
            encoded, lambda size: tf.concat([[3, 5], size - [9, 20]], 0)
        )

    decode = tf.function(decode) if traced else decode
    crop = decode(tf.constant(encoded))
    assert crop.dtype == tf.uint8
    whole = tf.io.decode_image(encoded).numpy()
    np.testing.assert_array_equal(crop, whole[3:24, 5:21])


def test_every_second_image_is_mirrored():
    image = tf.constant(IMAGE)
    images = [crops.random_mirror(image, [1, seed]) for seed in range(40)]
    mirrored = [np.array_equal(one, IMAGE[:, ::-1]) for one in images]
    plain = [np.array_equal(one, IMAGE) for one in images]
    assert np.not_equal(mirrored, plain).all() and 10 <= sum(plain) <= 30
