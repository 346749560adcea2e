"""From a file of DeepLab2's zoo to panoptic ids; files of ours by part."""

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import create_model, keys
from axial_deeplab.checkpoints import own_files
from axial_deeplab.checkpoints.weight_map import weights_by_name
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.export import load
from axial_deeplab.postprocess import PanopticSettings, panoptic_prediction
from tests.checkpoints import large_files
from tests.models.tiny_models import images
from tests.reference.deeplab2_keys import model_shapes
from tests.tools.import_checkpoint_test import run
from tools import import_checkpoint

NAME = "mobilenet_v3_small"
MODEL = f"panoptic_deeplab_{NAME}"
XS, WIDTH = "axial_deeplab_xs", {"width": 0.125}


@pytest.mark.parametrize(
    ("model", "data", "kernel", "area"),
    [
        ("panoptic_deeplab_max_deeplab_s", "cityscapes_panoptic", 13, 2048),
        (MODEL, "cityscapes_panoptic", 7, 2048),
        ("panoptic_deeplab_resnet_50_beta", "coco_panoptic", 41, 4096),
    ],
)
def test_published_settings(model, data, kernel, area):
    spec = dataset_spec(data)
    settings = import_checkpoint.published_settings(model, spec)
    assert settings == PanopticSettings(
        spec.thing_ids,
        spec.ignore_label,
        spec.label_divisor,
        center_threshold=0.1,
        nms_kernel_px=kernel,
        keep_k_centers=400,
        stuff_area_limit_px=area,
    )
    cityscapes = "cityscapes" in data
    assert spec.label_divisor == (1000 if cityscapes else 256)
    assert spec.ignore_label == (255 if cityscapes else 0)
    things = range(11, 19) if cityscapes else range(1, 81)
    assert spec.thing_ids == tuple(things)


@pytest.mark.large
def test_exports_predict_panoptic_ids(tmp_path):
    """The ids are what the published settings make of the heads."""
    # Everything is of a thing's class, and near some center.
    changes = {
        "semantic_last_layer/bias": 50 * np.eye(19, dtype=np.float32)[13],
        "instance_center_head_last_layer/bias": np.ones(1, np.float32),
    }
    shapes = model_shapes(NAME)
    large_files.write_deeplab2(tmp_path / "ckpt-6", shapes, changes)
    run("deeplab2", tmp_path, MODEL, tmp_path / "ours", "--export")
    x = images(65, 97)
    exported = load(tmp_path / "ours" / "saved_model")
    spec = exported.metadata.dataset
    assert (spec.name, spec.num_classes) == ("cityscapes_panoptic", 19)
    model = create_model(MODEL, weights=tmp_path / "ours")
    serve = exported.module.signatures["heads"]
    heads = serve(images=tf.cast(x, tf.float32))
    for name, value in model(x).items():
        largest = np.max(np.abs(value))
        np.testing.assert_allclose(heads[name], value, atol=1e-4 * largest)
    settings = import_checkpoint.published_settings(MODEL, spec)
    ids = exported.predict(x)[keys.PANOPTIC].numpy()
    np.testing.assert_array_equal(ids, _ids(heads, settings))
    # There are things with instances, and their neighbours do not suppress
    # as many centers as those of the other models would.
    things = np.isin(ids // 1000, spec.thing_ids)
    assert np.any(things & (ids % 1000 > 0))
    wide = PanopticSettings.of(spec)
    assert np.any(_ids(heads, wide) != ids)


def _ids(heads, settings):
    names = (keys.SEMANTIC_LOGITS, keys.CENTER_HEATMAP, keys.CENTER_OFFSET)
    maps = [heads[name] for name in names]
    return panoptic_prediction(*maps, settings)[keys.PANOPTIC].numpy()


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """A converted model of five classes, and where it is."""
    folder = tmp_path_factory.mktemp("ours") / "weights"
    model = create_model(XS, num_classes=5, **WIDTH)
    options = {"num_classes": 5, **WIDTH}
    own_files.write_checkpoint(model, folder, XS, options)
    return model, folder


def test_parts_on_the_command_line(ours, tmp_path):
    model, folder = ours
    more = ["--parts=backbone,decoder", "--num_classes=7"]
    text = run("ours", folder, XS, tmp_path / "new", *more)
    words = [" ".join(line.split()) for line in text.splitlines()]
    head = "semantic_logits_head/project/bias [7]"
    assert f"{head} initial value: not asked for" in words
    stem = "backbone/stem/convolution_0/conv/kernel [3, 3, 3, 32] restored"
    assert stem in words
    found = create_model(XS, weights=tmp_path / "new")
    assert found.heads[keys.SEMANTIC_LOGITS].channels == 7
    theirs = weights_by_name(model)
    for name, weight in weights_by_name(found).items():
        if name.startswith(("backbone/", "decoder/")):
            np.testing.assert_array_equal(weight, theirs[name], name)


def test_parts_in_python(ours):
    model, folder = ours
    parts = ["backbone", "semantic_logits_head"]
    found = create_model(XS, weights=folder, parts=parts, num_classes=7)
    theirs = weights_by_name(model)
    ours = weights_by_name(found)
    last = "semantic_logits_head/project/kernel"
    assert ours[last].shape[-1] == 7
    for name in set(ours) - {last, last.replace("kernel", "bias")}:
        same = np.array_equal(ours[name], theirs[name])
        assert same or not name.startswith(tuple(parts))
    with pytest.raises(ValueError, match="`parts` are taken from `weights`"):
        create_model(XS, parts=["backbone"])
    with pytest.raises(ValueError, match="The parts of .*; got 'heads'"):
        create_model(XS, weights=folder, parts=["heads"])
