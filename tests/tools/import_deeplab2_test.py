"""A checkpoint in DeepLab2's format, from disk to panoptic ids."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import create_model, keys
from axial_deeplab.checkpoints import from_deeplab2
from axial_deeplab.checkpoints.weight_map import weights_by_name
from axial_deeplab.export import load
from axial_deeplab.models import presets
from axial_deeplab.models.panoptic_rows import PUBLISHED_DEEPLABS
from tests.checkpoints.deeplab2_golden import ENDING
from tests.golden import load_golden
from tests.models.tiny_models import images, settle
from tests.tools.import_checkpoint_test import run

NAME = "panoptic_deeplab_max_deeplab_s"


@pytest.fixture
def narrow_row(monkeypatch):
    """The row with fewer and narrower blocks."""
    row = PUBLISHED_DEEPLABS[NAME]
    backbone = dataclasses.replace(
        row.backbone, blocks=(1, 1, 2, 1), width=1 / 16
    )
    narrow = dataclasses.replace(row, backbone=backbone)
    monkeypatch.setitem(PUBLISHED_DEEPLABS, NAME, narrow)
    presets._rows.cache_clear()
    yield
    monkeypatch.undo()
    presets._rows.cache_clear()


def _write(model, prefix):
    """The weights under the keys that the public model has for them."""
    golden = load_golden("deeplab2_zoo.npz")
    rows = golden.meta["models"]["max_deeplab_s_backbone"]["variables"]
    shapes = {
        row["checkpoint_key"].removesuffix(ENDING): row["shape"] for row in rows
    }
    source, weights = from_deeplab2.source_of(shapes), weights_by_name(model)
    root, count = tf.Module(), 0
    for key, shape in shapes.items():
        (target,) = source.targets(key)
        if target.name in weights:
            value = weights[target.name]
            if len(shape) == 5:  # of their norms of attention
                value = tf.reshape(value, [*shape[:4], -1])
            _put(root, key, tf.Variable(value))
            count += 1
    assert count == len(weights)
    _put(root, "optimizer/iter", tf.Variable(7, dtype=tf.int64))
    _put(root, "global_step", tf.Variable(7, dtype=tf.int64))
    return tf.train.Checkpoint(root).save(prefix)


def _put(owner, path, variable):
    *parts, last = path.split("/")
    for part in parts:
        if not hasattr(owner, part):
            setattr(owner, part, tf.Module())
        owner = getattr(owner, part)
    setattr(owner, last, variable)


@pytest.fixture
def model(narrow_row, tmp_path):
    """Ours, whose weights lie in their format in the folder `theirs`."""
    one = settle(create_model(NAME, num_classes=19))
    _write(one, str(tmp_path / "theirs" / "ckpt-6"))
    return one


@pytest.mark.golden
def test_from_disk_to_the_same_predictions(model, tmp_path):
    text = run("deeplab2", tmp_path / "theirs", NAME, tmp_path / "ours")
    assert f"{len(model.weights)} weights" in text
    x = images(33, 49)
    expected, found = model(x), create_model(NAME, weights=tmp_path / "ours")(x)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, name)


@pytest.mark.golden
@pytest.mark.large
def test_from_disk_to_panoptic_ids(model, tmp_path):
    folder = tmp_path / "ours"
    text = run("deeplab2", tmp_path / "theirs", NAME, folder, "--export")
    assert text.endswith(f"Exported it to {folder}/saved_model")
    x = images(33, 49)
    exported = load(folder / "saved_model")
    settings = exported.metadata.postprocess
    assert (settings.nms_kernel_px, settings.keep_k_centers) == (13, 400)
    ids = exported.predict(x)[keys.PANOPTIC].numpy()
    assert exported.metadata.dataset.name == "cityscapes_panoptic"
    assert ids.shape == (2, 33, 49) and np.all(ids // 1000 < 256)
    serve = exported.module.signatures["heads"]
    heads = serve(images=tf.cast(x, tf.float32))
    for name, value in model(x).items():
        largest = np.max(np.abs(value))
        np.testing.assert_allclose(heads[name], value, atol=1e-4 * largest)
