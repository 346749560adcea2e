import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.checkpoints import own_files
from tests.experiments import case


def model(name="toy"):
    one = case.toy_model(name)
    one.set_weights([np.random.normal(size=w.shape) for w in one.weights])
    return one


@pytest.fixture
def saved(tmp_path):
    """A model, and the prefix of its checkpoint as the trainer writes it."""
    one = model()
    checkpoint = tf.train.Checkpoint(
        model=one, step=tf.Variable(3), **one.checkpoint_items
    )
    manager = tf.train.CheckpointManager(checkpoint, tmp_path / "run", 2)
    manager.save()
    return one, manager.save()


def assert_equal(first, second):
    for ours, theirs in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_model_is_restored_from_prefix_or_folder(saved):
    one, prefix = saved
    for path in (prefix, os.path.dirname(prefix)):
        other = model()
        assert own_files.restore_model(path, other) == prefix
        assert_equal(other, one)


def test_folder_can_be_moved(saved, tmp_path):
    one, prefix = saved
    shutil.move(tmp_path / "run", tmp_path / "moved")
    other = model()
    found = own_files.restore_model(str(tmp_path / "moved"), other)
    assert found == str(tmp_path / "moved" / os.path.basename(prefix))
    assert_equal(other, one)


def test_parts_are_restored_alone(saved):
    one, prefix = saved
    other = model()
    before = [head.get_weights()[0] for head in other.heads.values()]
    own_files.restore_parts(prefix, {"backbone": other.stem})
    assert_equal(other.stem, one.stem)
    after = [head.get_weights()[0] for head in other.heads.values()]
    for ours, theirs in zip(after, before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_missing_checkpoint_is_named(saved, tmp_path):
    for path in (tmp_path, tmp_path / "none", tmp_path / "run" / "ckpt-9"):
        with pytest.raises(FileNotFoundError, match=f"checkpoint at {path}"):
            own_files.resolve_checkpoint(str(path))


def test_other_shapes_are_refused(saved):
    _, prefix = saved
    with pytest.raises(ValueError, match="another model.* 2 shapes differ"):
        own_files.restore_model(prefix, model("other"))


def test_other_number_of_weights_is_refused(saved):
    _, prefix = saved
    larger = model()
    larger.stem.add(tf_keras.layers.PReLU(shared_axes=(1, 2)))
    larger(tf.zeros([1, 9, 9, 3]))
    with pytest.raises(ValueError, match="12 weights, .* has 13, and 1 shapes"):
        own_files.restore_model(prefix, larger)


def test_part_that_does_not_fit_is_refused(saved):
    _, prefix = saved
    other = tf_keras.Sequential([tf_keras.layers.Conv2D(5, 3)])
    other.build((None, None, None, 3))
    with pytest.raises(ValueError, match="cannot be restored: .*shape"):
        own_files.restore_parts(prefix, {"backbone": other})
    with pytest.raises(ValueError, match="cannot be restored: "):
        own_files.restore_parts(prefix, {"decoder": other})


@pytest.mark.parametrize("keep", [0, 0.5, 0.95])
@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_damaged_file_is_named(saved, part, keep):
    _, prefix = saved
    path = f"{prefix}.{part}"
    os.truncate(path, int(keep * os.path.getsize(path)))
    with pytest.raises(ValueError, match=f"{prefix} cannot be restored") as e:
        own_files.restore_model(prefix, model())
    assert "\n" not in f"{e.value}"


def test_file_of_zeros_is_named(saved):
    _, prefix = saved
    path = f"{prefix}.data-00000-of-00001"
    size = os.path.getsize(path)
    with open(path, "wb") as file:
        file.write(bytes(size))
    with pytest.raises(ValueError, match="cannot be restored: "):
        own_files.restore_model(prefix, model())


def test_missing_data_file_is_named(saved):
    _, prefix = saved
    os.remove(f"{prefix}.data-00000-of-00001")
    with pytest.raises(ValueError, match=f"{prefix} cannot be restored"):
        own_files.restore_model(prefix, model())
