import numpy as np

from axial_deeplab.data import convert_digits, labelled_images


def test_splits_are_fixed_and_share_no_digit():
    splits = convert_digits.split_digits(1797)
    train, test = splits["train"], splits["test"]
    assert (len(train), len(test)) == (1437, 360)
    assert sorted([*train, *test]) == list(range(1797))
    # Another order would be another data set, and other published numbers.
    assert list(train[:3]) == [1081, 1707, 927]


def test_image_is_the_digit_enlarged():
    digit = np.zeros([8, 8])
    digit[2, 5] = 16
    image = convert_digits.digit_image(digit)
    assert image.shape == (32, 32, 3) and image.dtype == np.uint8
    grey = image[..., 0].astype(float)
    assert (image == image[..., :1]).all()
    # Bilinear: a pixel's weight falls linearly to the next ones' centers,
    # four pixels away.
    ramp = np.maximum(1 - np.abs(np.arange(32) + 0.5 - 4 * 2.5) / 4, 0)
    ramp_x = np.maximum(1 - np.abs(np.arange(32) + 0.5 - 4 * 5.5) / 4, 0)
    np.testing.assert_allclose(grey, 255 * np.outer(ramp, ramp_x), atol=1.5)


def test_record_holds_image_and_label():
    digits = np.arange(3 * 64).reshape(3, 8, 8) % 17
    record = convert_digits.digit_record(1, digits, np.array([4, 9, 2]))
    encoded, label, name = labelled_images.decode_record(record)
    assert (label.numpy(), name.numpy()) == (9, b"digit_0001.png")
    assert encoded.numpy() == convert_digits.png_bytes(
        convert_digits.digit_image(digits[1])
    )
