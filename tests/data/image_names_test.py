import pytest
import tensorflow as tf

from axial_deeplab.data import image_names

LONGEST = "é" * (image_names.WHOLE_NAME_BYTES // 2)


def test_whole_names_come_back():
    names = ["", "berlin/000001", LONGEST]
    rows = image_names.whole_names(tf.constant(names))
    assert rows.dtype == tf.uint8
    assert [image_names.text_of(row) for row in rows.numpy()] == names


def test_names_that_would_be_cut_are_errors():
    @tf.function
    def numbered(names):
        return image_names.whole_names(names)

    with pytest.raises(tf.errors.InvalidArgumentError, match="1024 bytes"):
        numbered(tf.constant([LONGEST + "a"]))


def test_names_for_messages_keep_their_end():
    name = "folder/" * 40 + "image"
    row = image_names.name_bytes(tf.constant(name)).numpy()
    assert image_names.text_of(row) == name[-image_names.NAME_BYTES :]
