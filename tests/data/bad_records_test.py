import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.data import bad_records, pipeline, tfrecord_schema
from axial_deeplab.data.dataset_specs import dataset_spec

SPEC = dataset_spec("shapes")


def record(index, image=None, label=0):
    pixels = np.full((9, 9, 3), index, np.uint8)
    image = tf.io.encode_png(pixels).numpy() if image is None else image
    panoptic = np.full((9, 9), label * SPEC.label_divisor)
    return tfrecord_schema.encode_example(
        image, "png", f"image_{index}.png", panoptic
    )


def write(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for one in records:
            writer.write(one)
    return path


def bad_image(index):
    good = tf.io.encode_png(np.zeros((9, 9, 3), np.uint8)).numpy()
    return record(index, good[: len(good) // 2])


@pytest.fixture
def config(tmp_path):
    records = [record(i) for i in range(6)]
    records[1], records[4] = bad_image(1), b"no example at all"
    write(tmp_path / "a.tfrecord", records)
    return pipeline.PipelineConfig(
        file_pattern=f"{tmp_path}/*.tfrecord",
        batch_size=1,
        crop_size_px=(9, 9),
        training=False,
    )


def with_limit(config, limit, **changes):
    return dataclasses.replace(config, max_bad_records=limit, **changes)


def ids(config):
    batches = pipeline.make_dataset(config, SPEC)
    return [labels[keys.IMAGE_ID].numpy()[0].decode() for _, labels in batches]


def test_unreadable_records_are_named_and_left_out(config, capfd):
    expected = [f"image_{index}" for index in (0, 2, 3, 5)]
    assert ids(with_limit(config, 2)) == expected
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("left out")] == [
        "left out, as it cannot be read: image_1.png - 1 of at most 2 such "
        "records",
        "left out, as it cannot be read: a record without a name - 2 of at "
        "most 2 such records",
    ]


def test_one_more_than_the_limit_is_an_error(config):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        ids(with_limit(config, 1))
    assert "max_bad_records=1" in caught.value.message
    assert "a record without a name" in caught.value.message


def test_the_first_is_an_error_by_default(config):
    with pytest.raises(tf.errors.InvalidArgumentError):
        ids(config)


def test_each_counts_once_however_often_it_comes(config, capfd):
    training = with_limit(
        config, 2, training=True, repeat=True, seed=3, with_names=True
    )
    batches = pipeline.make_dataset(training, SPEC).take(40)
    seen = {float(images[0, 0, 0, 0]) for images, *_ in batches}
    assert seen == {0, 2, 3, 5}
    assert capfd.readouterr().err.count("left out") == 2


def test_what_is_left_is_the_same_in_the_same_order(tmp_path, config):
    """The detour changes nothing for records that can be read."""
    write(tmp_path / "a.tfrecord", [record(i) for i in range(6)])
    found = []
    for limit in (0, 3):
        training = with_limit(config, limit, training=True, seed=5)
        batches = pipeline.make_dataset(training, SPEC)
        found.append([images.numpy() for images, *_ in batches])
    np.testing.assert_array_equal(*found)
    assert ids(config) == ids(with_limit(config, 3))


def test_the_rest_of_a_damaged_file_is_left_out(tmp_path, config, capsys):
    write(tmp_path / "a.tfrecord", [record(0), record(1)])
    path = write(tmp_path / "b.tfrecord", [record(i) for i in (2, 3, 4)])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3 * 2])
    bad_records.readable_counts.cache_clear()
    assert ids(with_limit(config, 1)) == ["image_0", "image_1", "image_2"]
    error = capsys.readouterr().err
    assert f"{path} is damaged: its record 1 cannot be read" in error
    assert "1 of at most 1 such files" in error
    other = write(tmp_path / "c.tfrecord", [record(5)])
    other.write_bytes(other.read_bytes()[:-9])
    with pytest.raises(ValueError, match=f"{other} is damaged: .* no more"):
        ids(with_limit(config, 1))


def check(config, count=-1):
    pipeline.check_records(config, SPEC, count)


def test_the_check_names_file_record_and_reason(tmp_path, config):
    path = tmp_path / "a.tfrecord"
    with pytest.raises(ValueError, match=f"{path}, record 1: ") as caught:
        check(config)
    assert "\n" not in f"{caught.value}"
    check(config, count=1)
    check(with_limit(config, 1))
    write(path, [record(0), record(1, label=SPEC.num_classes)])
    for one in (config, with_limit(config, 1)):
        with pytest.raises(ValueError, match="record 1: .*has 9 classes") as e:
            check(one)
        assert "image_1" in f"{e.value}" and "Op:" not in f"{e.value}"
    write(path, [record(0)])
    with pytest.raises(ValueError, match="record 0: .*larger than the evalu"):
        check(dataclasses.replace(config, crop_size_px=(5, 9)))
    check(dataclasses.replace(config, crop_size_px=(5, 9), training=True))


def test_the_check_takes_equally_many_of_each_file(tmp_path, config):
    for name in "abc":
        write(tmp_path / f"{name}.tfrecord", [record(0), record(1), b"no"])
    check(config, count=6)
    with pytest.raises(ValueError, match="record 2"):
        check(config, count=7)


def test_no_record_is_an_error(tmp_path, config):
    write(tmp_path / "a.tfrecord", [])
    with pytest.raises(ValueError, match="tfrecord holds no example"):
        check(config)
