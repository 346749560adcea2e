import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab.data import image_ops


def bilinear_by_loops(image, height, width):
    rows = np.linspace(0, image.shape[0] - 1, height)
    columns = np.linspace(0, image.shape[1] - 1, width)
    result = np.zeros((height, width, image.shape[2]))
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            y0, x0 = int(y), int(x)
            y1 = min(y0 + 1, image.shape[0] - 1)
            x1 = min(x0 + 1, image.shape[1] - 1)
            top = image[y0, x0] * (1 - (x - x0)) + image[y0, x1] * (x - x0)
            low = image[y1, x0] * (1 - (x - x0)) + image[y1, x1] * (x - x0)
            result[i, j] = top * (1 - (y - y0)) + low * (y - y0)
    return result


@pytest.mark.parametrize("size", [(9, 13), (4, 3), (5, 7), (1, 1)])
def test_bilinear_equals_loops(size):
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    resized = image_ops.resize_align_corners(images, size)
    assert resized.dtype == tf.float32
    for image, actual in zip(images, resized, strict=True):
        expected = bilinear_by_loops(image.astype(float), *size)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)


def test_nearest_keeps_labels_and_type():
    labels = np.array([[70000, 1, 2], [3, 4, 5]], np.int32)[None, ..., None]
    resized = image_ops.resize_align_corners(labels, (3, 5), "nearest")
    assert resized.dtype == tf.int32
    # Rows read 0, 0.5, 1 and columns 0, 0.5, ..., 2; halves go up.
    expected = [[70000, 1, 1, 2, 2], [3, 4, 4, 5, 5], [3, 4, 4, 5, 5]]
    np.testing.assert_array_equal(resized[0, ..., 0], expected)


def test_size_and_shape_may_be_unknown():
    function = tf.function(
        image_ops.resize_align_corners,
        input_signature=[
            tf.TensorSpec([None, None, None, None], tf.float32),
            tf.TensorSpec([2], tf.int32),
        ],
    )
    image = np.arange(12.0, dtype=np.float32).reshape(1, 3, 4, 1)
    np.testing.assert_allclose(function(image, [3, 4]), image)


def test_unknown_method_is_named():
    with pytest.raises(ValueError, match="got 'cubic'"):
        image_ops.resize_align_corners(tf.zeros([1, 2, 2, 1]), [1, 1], "cubic")


def test_pad_to_places_image_and_map():
    padded = image_ops.pad_to(tf.ones([2, 1, 3]), [1, 0], [4, 3], 127.5)
    assert padded.shape == (4, 3, 3)
    expected = np.full((4, 3), 127.5)
    expected[1:3, 0] = 1
    np.testing.assert_array_equal(padded[..., 1], expected)
    padded = image_ops.pad_to(tf.constant([[7]]), [0, 1], [1, 3], 9)
    np.testing.assert_array_equal(padded, [[9, 7, 9]])
