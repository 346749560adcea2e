import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from axial_deeplab import keys
from axial_deeplab.data import tfrecord_schema


def png(image):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def make_pair():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (4, 6, 3), np.uint8)
    return image, rng.integers(0, 70000, (4, 6), np.int32)


def test_round_trip():
    image, panoptic = make_pair()
    record = tfrecord_schema.encode_example(
        png(image), "png", "a.b.png", panoptic
    )
    example = tfrecord_schema.decode_example(record)
    np.testing.assert_array_equal(example[keys.IMAGE], image)
    np.testing.assert_array_equal(example[keys.PANOPTIC], panoptic)
    assert example[keys.IMAGE_ID].numpy() == b"a.b"
    assert (int(example[keys.HEIGHT]), int(example[keys.WIDTH])) == (4, 6)


def test_stored_keys_are_those_of_deeplab2():
    image, panoptic = make_pair()
    record = tfrecord_schema.encode_example(png(image), "png", "x", panoptic)
    feature = tf.train.Example.FromString(record).features.feature
    assert feature["image/channels"].int64_list.value == [3]
    assert feature["image/format"].bytes_list.value == [b"png"]
    assert feature["image/filename"].bytes_list.value == [b"x"]
    assert feature["image/height"].int64_list.value == [4]
    assert feature["image/width"].int64_list.value == [6]
    label = "image/segmentation/class"
    assert feature[f"{label}/format"].bytes_list.value == [b"raw"]
    raw = feature[f"{label}/encoded"].bytes_list.value[0]
    assert raw == b"".join(
        int(v).to_bytes(4, "little") for v in panoptic.ravel()
    )
    assert "image/encoded" in feature and len(feature) == 8


def test_grey_image_is_read_as_three_channels():
    image, panoptic = make_pair()
    record = tfrecord_schema.encode_example(
        png(image[..., 0]), "png", "x.png", panoptic
    )
    example = tfrecord_schema.decode_example(record)
    np.testing.assert_array_equal(example[keys.IMAGE][..., 2], image[..., 0])


def test_map_of_another_size_names_the_image():
    image, panoptic = make_pair()
    record = tfrecord_schema.encode_example(
        png(image), "png", "odd.png", panoptic[:3]
    )
    dataset = tf.data.Dataset.from_tensors(record).map(
        tfrecord_schema.decode_example
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="odd.png"):
        next(iter(dataset))
