"""Models by name with stored weights."""

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import create_model
from axial_deeplab.checkpoints import own_files
from tests.layers.layer_case import randomize
from tests.models.tiny_models import images

NAME, OPTIONS = "axial_resnet_xs", {"num_classes": 3, "width": 0.125}


@pytest.fixture(scope="module")
def model():
    one = create_model(NAME, **OPTIONS)
    randomize(one)
    return one


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "weights"
    own_files.write_checkpoint(model, path, NAME, OPTIONS)
    return path


def assert_same(one, other):
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_folder_says_its_options(model, folder):
    assert_same(create_model(NAME, weights=folder / "ckpt-1"), model)
    loaded = create_model(NAME, weights=folder)
    assert_same(loaded, model)
    x = images(17, 20)
    np.testing.assert_array_equal(loaded(x), model(x))


def test_backbone_is_taken_out_of_a_whole_model(model, folder):
    backbone = create_model(f"{NAME}_backbone", weights=str(folder))
    assert_same(backbone, model.backbone)


def test_backbone_has_checkpoints_of_its_own(model, tmp_path):
    own_files.write_checkpoint(
        model.backbone, tmp_path / "backbone", "backbone", {"width": 0.125}
    )
    stored = tmp_path / "backbone"
    backbone = create_model(f"{NAME}_backbone", weights=stored)
    assert_same(backbone, model.backbone)
    whole = create_model(NAME, **OPTIONS)
    own_files.restore_parts(str(stored), {"backbone": whole.backbone})
    assert_same(whole.backbone, model.backbone)


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_files_of_keras(model, tmp_path, name):
    path = tmp_path / name
    if name.endswith("keras"):
        model.save(path)
    else:
        model.save_weights(path)
    assert_same(create_model(NAME, weights=path, **OPTIONS), model)
    wider = OPTIONS | {"num_classes": 4}
    with pytest.raises(ValueError, match=name) as error:
        create_model(NAME, weights=path, **wider)
    assert "\n" not in str(error.value)


def test_options_that_do_not_fit_are_refused(folder):
    with pytest.raises(ValueError, match="of another model: .* 2 shapes"):
        create_model(NAME, weights=folder, num_classes=4)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("none", FileNotFoundError, "no checkpoint at .*none"),
        ("none.keras", FileNotFoundError, "no file .*none.keras"),
        ("none.h5", FileNotFoundError, "no file .*none.h5"),
        ("a.pth", ValueError, "a.pth .*import_checkpoint.py"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path, name, error, message):
    model = tf.Module()
    with pytest.raises(error, match=message):
        own_files.load_weights(str(tmp_path / name), model)


def test_damaged_options_are_named(tmp_path):
    (tmp_path / own_files.MODEL_FILE).write_text("{")
    with pytest.raises(ValueError, match="model.json is damaged"):
        own_files.stored_options(str(tmp_path))


def test_checkpoints_replace_only_checkpoints(model, tmp_path):
    folder = tmp_path / "weights"
    for _ in range(2):
        prefix = own_files.write_checkpoint(model, folder, NAME, OPTIONS)
    assert prefix == f"{folder}/ckpt-1"
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
    (tmp_path / "notes.txt").write_text("kept")
    with pytest.raises(FileExistsError, match="holds no converted checkpoint"):
        own_files.write_checkpoint(model, tmp_path, NAME, OPTIONS)
    assert (tmp_path / "notes.txt").read_text() == "kept"
