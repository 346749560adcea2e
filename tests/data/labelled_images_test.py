import pytest
import tensorflow as tf

from axial_deeplab.data import labelled_images, tfrecord_schema
from tests.data import labelled_case

PNG = labelled_case.encoded(labelled_case.picture(1))


@pytest.mark.parametrize(
    "record",
    [
        labelled_images.encode_record(PNG, "png", "1.png", 7),
        tfrecord_schema.serialized_example(
            {"image": PNG, "label": 7, "file_name": b"1.png"}
        ),
    ],
    ids=["Model Garden", "TensorFlow Datasets"],
)
def test_records_of_both_kinds_are_read(record):
    encoded, label, name = labelled_images.decode_record(record)
    assert encoded.numpy() == PNG
    assert (label.numpy(), name.numpy()) == (7, b"1.png")


@pytest.mark.parametrize(
    "record",
    [
        {"image/encoded": PNG},
        {"image/class/label": 1, "image/encoded": b""},
        {"label": 1},
    ],
)
def test_incomplete_record_is_named(record):
    record |= {"image/filename": b"broken.png"}
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        labelled_images.decode_record(
            tfrecord_schema.serialized_example(record)
        )
    assert "needs image/encoded and image/class/label" in str(caught.value)
    assert "broken.png" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff", b"a text"])
def test_file_that_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a.png"):
        labelled_images.read_file(str(path), 0)


@pytest.mark.parametrize("image_format", ["png", "jpeg", "bmp", "gif"])
def test_image_files_are_known(tmp_path, image_format):
    content = labelled_case.encoded(labelled_case.picture(1), image_format)
    path = tmp_path / "a"
    path.write_bytes(content)
    encoded, label, name = labelled_images.read_file(str(path), 3)
    assert (encoded.numpy(), label) == (content, 3)


def test_classes_are_numbered_by_name(tmp_path):
    folder = labelled_case.write_folders(tmp_path)
    paths, labels, names = labelled_images.list_class_folders(folder)
    assert tuple(names) == labelled_case.CLASSES
    assert labels == [0, 0, 0, 1, 1, 2, 2]
    assert [path.removeprefix(f"{folder}/") for path in paths[:4]] == [
        "a_dog/0.PNG",
        "a_dog/3.PNG",
        "a_dog/6.PNG",
        "b_cat/1.PNG",
    ]


def test_folders_without_images_are_named(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} holds no folders"):
        labelled_images.list_class_folders(str(tmp_path))
    (tmp_path / "dog").mkdir()
    with pytest.raises(ValueError, match=f"{tmp_path}/dog holds no image"):
        labelled_images.list_class_folders(str(tmp_path))
