import functools

import pytest
import tensorflow as tf

from axial_deeplab.data import shards


def encode(number: int) -> bytes:
    if number < 0:
        raise ValueError(f"negative: {number}")
    return str(number).encode()


def read(path):
    return [int(r.numpy()) for r in tf.data.TFRecordDataset(str(path))]


def test_items_are_spread_evenly_and_in_order(tmp_path):
    paths = [tmp_path / name for name in shards.shard_names("val", 3)]
    assert paths[2].name == "val-00002-of-00003.tfrecord"
    done = list(shards.write_shards(paths, range(8), encode))
    assert done == [1] * 8
    assert [read(path) for path in paths] == [[0, 1], [2, 3, 4], [5, 6, 7]]


def test_several_workers_write_the_same(tmp_path):
    paths = [tmp_path / name for name in shards.shard_names("val", 2)]
    job = functools.partial(encode)
    assert sum(shards.write_shards(paths, range(5), job, workers=2)) == 5
    assert [read(path) for path in paths] == [[0, 1], [2, 3, 4]]


def test_more_shards_than_items_is_refused(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(ValueError, match="1 examples cannot fill 2 shards"):
        list(shards.write_shards(paths, [1], encode))


def test_staged_files_appear_together(tmp_path):
    output_dir = tmp_path / "new" / "folder"
    with shards.staging_folder(output_dir, "val") as staging:
        (staging / "inner").mkdir()
        (staging / "inner" / "b").write_text("2")
        (staging / "a").write_text("1")
        assert [p.name for p in output_dir.iterdir()] == [".val.partial"]
    names = {str(p.relative_to(output_dir)) for p in output_dir.rglob("*")}
    assert names == {"a", "inner", "inner/b"}


def test_failure_leaves_what_was_there(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        with shards.staging_folder(tmp_path, "val") as staging:
            (staging / "a").write_text("new")
            raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_failure_removes_the_folder_it_made(tmp_path):
    with pytest.raises(ValueError, match="negative"):
        with shards.staging_folder(tmp_path / "new", "val") as staging:
            list(shards.write_shards([staging / "a"], [1, -1], encode))
    assert not list(tmp_path.iterdir())


def test_remains_of_a_killed_run_are_cleared(tmp_path):
    (tmp_path / ".val.partial").mkdir()
    (tmp_path / ".val.partial" / "half").write_text("")
    with shards.staging_folder(tmp_path, "val") as staging:
        (staging / "a").write_text("1")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_two_sets_of_shards_are_refused():
    one = ["d/train-00000-of-00002.tfrecord", "d/val-00000-of-00001.tfrecord"]
    shards.check_one_set(one + ["e/train-00000-of-00003.tfrecord", "d/x"])
    with pytest.raises(ValueError, match=r"d holds .*'train' \(2 and 3 shards"):
        shards.check_one_set(one + ["d/train-00000-of-00003.tfrecord"])


def test_leftovers_are_named(tmp_path):
    (tmp_path / "b.png").write_text("")
    shards.check_no_leftovers(tmp_path, "*.png", {"b.png", "c.png"})
    shards.check_no_leftovers(tmp_path / "missing", "*.png", set())
    with pytest.raises(ValueError, match=r"already holds b.png \(1 such"):
        shards.check_no_leftovers(tmp_path, "*.png", {"c.png"})
